import numpy as np
import pytest
from weather_estimates import Temperature, WeatherError, WordSums
from weather_estimates.metric import within_a_degree
from weather_estimates.task import reports

from plmtasks.examples import Example, Prediction
from plmtasks.testing import Agreement, MetricConformance, ModelConformance, TaskConformance


class TestTemperature(TaskConformance):
    @pytest.fixture
    def task(self):
        return Temperature()


class TestWordSums(ModelConformance):
    @pytest.fixture
    def model(self):
        return WordSums()

    @pytest.fixture
    def questions(self):
        task, asked = Temperature(), []
        for example in list(reports("train"))[:10]:
            request = task.ask(example.hidden(), "Estimate")
            asked.append((request, task.solve(example, request)))
        return {"Estimate": asked}


class TestWithinADegree(MetricConformance):
    @pytest.fixture
    def metric(self):
        return within_a_degree

    @pytest.fixture
    def task(self):
        return Temperature()

    @pytest.fixture
    def agreements(self):
        examples = [Example(id=str(i), inputs={}, reference=10.0) for i in range(4)]
        predictions = [Prediction(value=value) for value in (9.5, 10.5, 11.0, None)]
        return [Agreement(predictions=predictions, examples=examples, scores={"within_a_degree": 50.0})]


class TestWeatherError(MetricConformance):
    @pytest.fixture
    def metric(self):
        return WeatherError()

    @pytest.fixture
    def task(self):
        return Temperature()

    @pytest.fixture
    def agreements(self):
        """What numpy makes of some degrees."""
        p, r = np.array([1.0, -3.5, 20.0, 7.0]), np.array([2.0, -8.0, 19.0, 30.0])
        return [
            Agreement(
                predictions=[Prediction(value=float(value)) for value in p],
                examples=[Example(id=str(i), inputs={}, reference=float(value)) for i, value in enumerate(r)],
                scores={
                    "mean_error": float(np.abs(p - r).mean()),
                    "correlation": float(np.corrcoef(p, r)[0, 1]),
                    "numbers": 100.0,
                },
            )
        ]
