"""The one body that all errors have."""

from pydantic import BaseModel, ConfigDict, Field


class ValidationProblem(BaseModel):
    """One thing to put right in what was sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    path: str = Field(
        description="Where it is; empty for the document as a whole", examples=["subscription_ids[3]"]
    )
    value: str = Field(description="What is there, as JSON and abbreviated, or `nothing`", examples=["true"])
    expected: str = Field(examples=["text"])


class Violation(BaseModel):
    """One rule of eligibility that one subscription breaks."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    subscription_id: str = Field(examples=["1000017"])
    code: str = Field(description="The rule; codes never change their meaning", examples=["addon_not_zero"])
    detail: str = Field(description="What was found")
    remedy: str = Field(description="What to do about it")


class Problem(BaseModel):
    """An error, as RFC 9457 has it, with a stable code."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    type: str = Field(examples=["about:blank"])
    title: str = Field(description="The words of the status", examples=["Not Found"])
    status: int = Field(description="The HTTP status again", ge=400, le=599, examples=[404])
    detail: str = Field(description="What was found and what was expected, for a person")
    code: str = Field(
        description="For programs: codes never change their meaning", examples=["subscription_not_found"]
    )
    instance: str = Field(description="The id of this request, as in the header X-Request-ID and in the log")
    errors: list[ValidationProblem] = Field(
        default=[], description="Every value that is wrong, when the query or the body is not valid"
    )
    ids: list[str] = Field(default=[], description="Every id that this is about")
    line: int | None = Field(default=None, description="Where JSON that cannot be read breaks off")
    column: int | None = Field(default=None, description="Where JSON that cannot be read breaks off")
    violations: list[Violation] = Field(
        default=[], description="Every rule that every subscription breaks, with code `not_eligible`"
    )


class Nothing(BaseModel):
    """The query of a call that has none."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
