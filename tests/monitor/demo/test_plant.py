"""The demo plant: repeatable, within physical bounds, and every fault shows where it should and only there."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.demo.faults import ROUND, TABLE, Episode, Fault, Script
from monitor.demo.machines import AMBIENT, FAULTED, IDLE, RUNNING
from monitor.demo.plant import Plant, demo_plant

SEEDS = st.integers(0, 10_000)
MACHINES = ("demo/mill", "demo/oven", "demo/filler", "demo/pump")

BOUNDS = {
    "spindle_speed": (0, 8100),
    "spindle_current": (0, 30),
    "spindle_temperature": (AMBIENT - 2, 125),
    "coolant_flow": (0, 15),
    "coolant_temperature": (AMBIENT - 1, 40),
    "power": (0, 20),
    "setpoint": (200, 210),
    "zone1": (170, 215),
    "zone2": (190, 215),
    "zone3": (190, 215),
    "belt_speed": (0, 2),
    "heating_power": (0, 60),
    "fan_current": (5, 8),
    "fill_weight": (495, 515),
    "target_weight": (500, 500),
    "fill_rate": (0, 121),
    "nozzle_pressure": (2, 3.3),
    "product_temperature": (17, 19),
    "tank_level": (50, 90),
    "speed": (2900, 2980),
    "flow": (35, 55),
    "suction_pressure": (0.7, 0.9),
    "discharge_pressure": (3, 4.6),
    "motor_current": (8, 16),
    "bearing_temperature": (44, 78),
    "vibration": (0, 12),
    "running_hours": (1200, 1201),
}


def plant_with(*episodes, seed=1):
    """A plant under these faults alone."""
    return Plant(random.Random(seed), Script(seed, episodes, period=1e9))


def history(plant, seconds, asset, signal, every=0.5):
    values = []
    for _ in range(int(seconds / every)):
        plant.step(every)
        values.append(plant.signals(asset)[signal])
    return values


def everything(plant):
    return {asset: plant.signals(asset) for asset in MACHINES}


def test_the_line_has_four_machines_and_more_than_thirty_signals():
    plant = demo_plant(1)

    assert tuple(plant.machines) == MACHINES
    assert sum(len(plant.signals(asset)) for asset in MACHINES) == 40


@given(SEEDS, st.lists(st.floats(0.01, 3), min_size=1, max_size=20))
@settings(max_examples=20, deadline=None)
def test_the_same_seed_gives_the_same_plant_however_time_is_cut(seed, steps):
    cut, whole = demo_plant(seed), demo_plant(seed)
    for dt in steps:
        cut.step(dt)
    while whole.elapsed < cut.elapsed - 1e-6:
        whole.step(0.1)

    assert everything(cut) == everything(whole)


def test_another_seed_gives_other_readings():
    one, other = demo_plant(1), demo_plant(2)
    one.step(5)
    other.step(5)

    assert everything(one) != everything(other)


def test_reading_changes_nothing():
    plant = demo_plant(3)
    plant.step(2)

    assert everything(plant) == everything(plant)


@given(SEEDS)
@settings(max_examples=8, deadline=None)
def test_every_signal_stays_within_physical_bounds_through_all_faults(seed):
    plant = demo_plant(seed)
    for _ in range(300):
        plant.step(0.5)
        for asset in MACHINES:
            for signal, value in plant.signals(asset).items():
                low, high = BOUNDS.get(signal, (0, 10_000))
                assert low <= value <= high, (asset, signal, plant.elapsed)


@given(SEEDS)
@settings(max_examples=8, deadline=None)
def test_counters_never_go_back(seed):
    plant = demo_plant(seed)
    before = {}
    for _ in range(100):
        plant.step(1)
        now = {
            (asset, counter): plant.signals(asset)[counter]
            for asset in ("demo/mill", "demo/filler")
            for counter in ("parts_good", "parts_scrap")
        }
        assert all(now[key] >= before.get(key, 0) for key in now)
        before = now
    assert before["demo/filler", "parts_good"] > 100


@given(SEEDS)
@settings(max_examples=8, deadline=None)
def test_a_healthy_plant_stays_far_from_every_limit(seed):
    plant = plant_with(seed=seed)
    for _ in range(200):
        plant.step(0.5)
        mill, filler, pump = (plant.signals(f"demo/{name}") for name in ("mill", "filler", "pump"))
        assert mill["spindle_temperature"] < 60
        assert not (mill["guard_open"] and mill["spindle_speed"] > 100)
        assert not mill["emergency_stop"]
        assert mill["mode"] in (RUNNING, IDLE)
        assert mill["fault_code"] == 0
        assert 496 < filler["fill_weight"] < 504
        assert pump["vibration"] < 2


def test_the_pump_delivers_less_head_at_more_flow():
    plant = plant_with()
    points = []
    for _ in range(140):
        plant.step(0.5)
        pump = plant.signals("demo/pump")
        points.append((pump["flow"], pump["discharge_pressure"] - pump["suction_pressure"]))
    points.sort()

    assert points[0][1] > points[-1][1] + 0.1


def test_the_oven_follows_its_set_point_zone_by_zone():
    plant = plant_with()
    plant.step(119)
    before = plant.signals("demo/oven")
    plant.step(4)
    during = plant.signals("demo/oven")
    plant.step(60)
    after = plant.signals("demo/oven")

    assert (before["setpoint"], after["setpoint"]) == (200, 210)
    assert before["zone2"] < during["zone2"] < after["zone2"]
    assert during["zone3"] - before["zone3"] < during["zone2"] - before["zone2"]
    assert abs(after["zone2"] - 210.5) < 2
    assert during["heating_power"] > before["heating_power"] + 5


def test_the_spindle_current_follows_the_load():
    currents = history(plant_with(), 20, "demo/mill", "spindle_current")

    assert max(currents) - min(currents) > 5


SIGNS = [
    (Fault.BEARING_WEAR, "demo/pump", "vibration", 7.1),
    (Fault.BEARING_WEAR, "demo/pump", "bearing_temperature", 55),
    (Fault.COOLANT_LOSS, "demo/mill", "spindle_temperature", 82),
    (Fault.FILL_DRIFT, "demo/filler", "fill_weight", 505),
    (Fault.EMERGENCY_STOP, "demo/mill", "emergency_stop", 0.5),
    (Fault.GUARD_OPEN, "demo/mill", "guard_open", 0.5),
]


@pytest.mark.parametrize(("fault", "asset", "signal", "level"), SIGNS)
def test_each_fault_shows_in_its_signals_and_is_mended(fault, asset, signal, level):
    faulty = plant_with(Episode(fault, start=2, ramp=4, hold=9))
    assert max(history(faulty, 16, asset, signal)) > level
    assert max(history(plant_with(), 16, asset, signal)) < level

    faulty.step(14)
    assert faulty.signals(asset)[signal] < level


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_of_one_machine_leaves_the_others_alone(fault):
    touched = {asset for known, asset, *_ in SIGNS if known == fault}
    if fault is Fault.EMERGENCY_STOP:
        touched = {"demo/mill", "demo/oven", "demo/filler"}
    faulty, healthy = plant_with(Episode(fault, start=1, ramp=2, hold=9)), plant_with()
    faulty.step(8)
    healthy.step(8)

    assert {asset for asset in MACHINES if faulty.signals(asset) != healthy.signals(asset)} == touched


def test_a_guard_open_while_running_leaves_the_spindle_turning():
    plant = plant_with(Episode(Fault.GUARD_OPEN, start=1, ramp=0, hold=5))
    plant.step(4)
    mill = plant.signals("demo/mill")

    assert mill["guard_open"]
    assert mill["spindle_speed"] > 7000


def test_an_emergency_stop_brings_spindle_belt_and_filler_to_rest():
    plant = plant_with(Episode(Fault.EMERGENCY_STOP, start=1, ramp=0, hold=20))
    plant.step(10)

    assert plant.signals("demo/mill")["spindle_speed"] < 50
    assert plant.signals("demo/mill")["mode"] == FAULTED
    assert plant.signals("demo/oven")["belt_speed"] < 0.05
    assert plant.signals("demo/filler")["fill_rate"] < 1


def test_a_mill_without_coolant_trips_before_it_is_destroyed_and_comes_back():
    plant = plant_with(Episode(Fault.COOLANT_LOSS, start=1, ramp=0, hold=30))
    temperatures = history(plant, 30, "demo/mill", "spindle_temperature")
    codes = history(plant, 60, "demo/mill", "fault_code")

    assert max(temperatures) < 120
    assert codes[-1] == 0


def test_the_first_round_has_every_fault_and_mends_them_within_a_minute():
    assert {episode.fault for episode in TABLE} == set(Fault)
    assert max(episode.end for episode in TABLE) < 52
    assert min(episode.start for episode in TABLE) < 5


@given(SEEDS, st.integers(0, 50))
def test_every_round_keeps_to_its_time_and_is_the_same_whenever_asked(seed, number):
    script = Script(seed)
    episodes = script.episodes(number)

    assert all(0 <= episode.start < episode.end < ROUND for episode in episodes)
    assert episodes == Script(seed).episodes(number)


def test_later_rounds_vary():
    script = Script(1)

    assert len({script.episodes(number) for number in range(10)}) == 10


@given(SEEDS, st.floats(0, 1_000))
def test_severities_lie_above_nought_and_at_most_at_one(seed, elapsed):
    assert all(0 < severity <= 1 for severity in Script(seed).stress(elapsed).values())
