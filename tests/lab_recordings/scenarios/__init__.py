"""All the samples, by kind."""

from tests.lab_recordings.scenarios import closed, healthy, refused, silent, stalled, unreachable

SAMPLES = (
    *healthy.SAMPLES,
    *refused.SAMPLES,
    *unreachable.SAMPLES,
    *silent.SAMPLES,
    *closed.SAMPLES,
    *stalled.SAMPLES,
)
