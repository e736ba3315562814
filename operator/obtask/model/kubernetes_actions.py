"""Owns the actions that Kubernetes itself carries out: job and resource. API.md section 2.1."""

from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field, StringConstraints, ValidationError, ValidationInfo, field_validator, model_validator

from obtask.model.base import Value
from obtask.model.constraints import KEPT, ApiVersion, Expression, FreeForm, KindName, NamespaceName, ObjectName, Outputs, Word
from obtask.model.contract import ActionKind
from obtask.model.until import Pause, Until
from obtask.model.values import OPENING, WithValues


class EnvVar(Value):
    """An environment variable of a container, as in a pod."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=1024)] = Field(description="Name of the variable.")
    value: Word | None = Field(default=None, description="Its value. Default: empty.")
    value_from: FreeForm | None = Field(default=None, description="Where its value comes from, as in a pod: secretKeyRef, fieldRef, ...")


class JobAction(WithValues):
    """Runs a container to its end, as a Kubernetes Job with one pod."""

    action_kind: ClassVar = ActionKind.JOB

    image: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = Field(
        default=None, description="Image of the container. Required unless the first container of podTemplate has one."
    )
    command: list[Word] = Field(default_factory=list, max_length=1024, description="Entry point. Default: the image's.")
    args: list[Word] = Field(default_factory=list, max_length=4096, description="Arguments of the entry point; they may be empty.")
    env: list[EnvVar] = Field(default_factory=list, max_length=1024, description="Environment variables, besides OBTASK_*.")
    env_from: list[FreeForm] = Field(
        default_factory=list, max_length=256, description="Sources of environment variables, as in a pod: configMapRef, secretRef."
    )
    resources: FreeForm | None = Field(default=None, description="Requests and limits of the container, as in a pod.")
    pod_template: FreeForm | None = Field(
        default=None,
        description="Any fields of a PodTemplateSpec. The fields above are merged over its first container, and what the "
        "operator sets over all of it. Its securityContexts are merged over the operator's, which satisfy Pod Security's level restricted.",
    )
    queue_name: Annotated[str, StringConstraints(max_length=63)] | None = Field(
        default=None, description="Kueue queue: label kueue.x-k8s.io/queue-name of the Job."
    )
    outputs: Outputs = Field(
        default_factory=dict,
        description=f"{KEPT} result: the termination message of the container, parsed if it is JSON.",
    )

    @model_validator(mode="after")
    def _has_image(self) -> Self:
        if self.image is None and self.pod_template is None:
            raise ValueError("image is required unless podTemplate names one")
        return self

    @model_validator(mode="after")
    def _template_is_a_pod(self) -> Self:
        """Refuse what cannot be merged; the API server judges the rest when the Job is made."""
        template = self.pod_template or {}
        for name in template:
            if name not in {"metadata", "spec"}:
                raise ValueError(f"podTemplate.{name}: only metadata and spec are allowed")
            if template[name] is not None and not isinstance(template[name], dict):
                raise ValueError(f"podTemplate.{name} must be an object")
        spec = template.get("spec") or {}
        for name in ("serviceAccountName", "serviceAccount"):
            if OPENING in str(spec.get(name) or ""):
                raise ValueError(f"podTemplate.spec.{name} must be written out: who creates the task must have the right to use it")
        for name in ("containers", "initContainers"):
            listed = spec.get(name)
            if listed is None:
                continue
            if not isinstance(listed, list) or not all(isinstance(container, dict) for container in listed):
                raise ValueError(f"podTemplate.spec.{name} must be a list of objects")
        if self.image is None and not (spec.get("containers") or [{}])[0].get("image"):
            raise ValueError("image is required unless the first container of podTemplate has one")
        return self


class ResourcePatch(Value):
    """A change of an existing object."""

    api_version: ApiVersion = Field(description="API version, such as apps/v1.")
    kind: KindName = Field(description="Kind, such as Deployment.")
    name: ObjectName = Field(description="Name of the object, in the task's namespace if its kind has namespaces.")
    patch: FreeForm = Field(description="A JSON merge patch.")


class ManifestMetadata(Value):
    """The part of an object's metadata that says which object it is."""

    model_config = ConfigDict(extra="allow")

    name: ObjectName = Field(description="Name of the object.")
    namespace: NamespaceName | None = Field(
        default=None, description="Namespace of the object. Default: the task's, if its kind has namespaces."
    )


class ManifestHead(Value):
    """The part of an object that says which object it is."""

    model_config = ConfigDict(extra="allow")

    api_version: ApiVersion = Field(description="API version, such as apps/v1.")
    kind: KindName = Field(description="Kind, such as Deployment.")
    metadata: ManifestMetadata = Field(description="Metadata of the object.")


class ResourceUntil(Until):
    """Tells when the effect of a change has arrived. The object is watched: a change is seen at once."""

    expect: Expression = Field(description="CEL over object, the live object: true ends the waiting, and the attempt succeeds.")
    max_interval_seconds: Pause | None = Field(
        default=None,
        description="Longest pause, in seconds: 1 to 3600. Used only if the object cannot be watched because the operator already "
        "watches as many as it may: it is then read every 15 seconds, and the pause doubles up to this. Default 15.",
    )


CREATE_ONLY = "createOnly is for apply alone"
INDISCREET = "until.message would show what is in a Secret"
OUTPUTS_OF_SECRET = "outputs would store what is in a Secret"  # noqa: S105


class ResourceAction(WithValues):
    """Changes a Kubernetes object as the task's service account, or puts it back."""

    action_kind: ClassVar = ActionKind.RESOURCE

    apply: FreeForm | None = Field(
        default=None,
        description="An object with apiVersion, kind and metadata.name, applied server-side and with force: fields that others manage "
        "become the step's. Default namespace: the task's.",
    )
    create_only: bool | None = Field(
        default=None,
        strict=True,
        description="With apply: an object that exists already, and that this step has not applied before, fails the step and is left "
        "as it is.",
    )
    patch: ResourcePatch | None = Field(default=None, description="A change of an existing object.")
    restore: bool | None = Field(
        strict=True,
        default=None,
        description="Only under rollback, for a step with a resource action: true puts the object back as it was before the first change, "
        "or deletes it if it did not exist. For this the object is kept in a ConfigMap before it is changed; whoever may read ConfigMaps "
        "in the task's namespace can read it. Up to 256 KiB, and 16 MiB for all subtasks of a task; not for Secrets.",
    )
    until: ResourceUntil | None = Field(default=None, description="Must come true before the step's timeout.")
    outputs: Outputs = Field(
        default_factory=dict,
        description=f"{KEPT} object, the live object at the end. Not for a Secret.",
    )

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        if sum(change is not None for change in (self.apply, self.patch, self.restore)) != 1:
            raise ValueError("exactly one of apply, patch, restore is required")
        if self.restore is False:
            raise ValueError("restore is true or absent")
        if self.create_only and self.apply is None:
            raise ValueError(CREATE_ONLY)
        if self.changes_secret and self.until is not None and self.until.message is not None:
            raise ValueError(INDISCREET)
        if self.changes_secret and self.outputs:
            raise ValueError(OUTPUTS_OF_SECRET)
        return self

    @field_validator("apply")
    @classmethod
    def _names_an_object(cls, manifest: FreeForm | None, info: ValidationInfo) -> FreeForm | None:
        try:
            _ = manifest is not None and ManifestHead.model_validate(manifest, context=info.context)
        except ValidationError as error:
            wrong = error.errors(include_url=False)[0]
            raise ValueError(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None
        return manifest

    @property
    def changes_secret(self) -> bool:
        """Whether the action is about a Secret, so that nothing of the object may be shown or kept."""
        return "Secret" in ((self.apply or {}).get("kind"), self.patch.kind if self.patch else None)
