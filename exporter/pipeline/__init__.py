"""The one place where the parts meet: poll, settle, publish."""

from exporter.pipeline.pipeline import Pipeline, PipelineError

__all__ = ["Pipeline", "PipelineError"]
