import time
from pathlib import Path

from steelyard.experiments.harness import arm_result, proof_index
from steelyard.experiments.harness.arm_result import file_of
from steelyard.experiments.harness.arm_worker import ArmWorker
from steelyard.experiments.harness.processes import kept


def test_what_an_arm_took_is_processor_time_and_not_the_wait_for_a_busy_machine(tmp_path: Path) -> None:
    module = proof_index.proof_modules()["ucboost"]
    proof = proof_index.load(module)
    arm = proof.arm(proof.ours)
    worker = ArmWorker(proof_index.file_of_module(module), 900, proof.quick, [arm], tmp_path, None)
    for one in worker.assigned():
        began = time.process_time()
        while time.process_time() - began < 0.05:
            pass
        time.sleep(0.5)
        worker.store(one.name, {"score": 1.0})
    found = kept(file_of(tmp_path, arm.name, worker.about[arm.name]), arm_result.ArmResult, "")
    assert found.metrics == {"score": 1.0}
    assert 0.05 <= found.seconds < 0.4
