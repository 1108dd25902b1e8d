from hypothesis import settings, HealthCheck
from tests.unit.test_state_machine import JobMachine
T = JobMachine.TestCase
T.settings = settings(max_examples=2500, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck))
class TestMore(T): 
    settings = T.settings
