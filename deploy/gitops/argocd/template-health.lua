-- The health of a template: whether tasks can be made of it, by its condition Valid. Whatever stands in the status, there is an answer.
local status = type(obj.status) == "table" and obj.status or {}
local conditions = type(status.conditions) == "table" and status.conditions or {}
for _, condition in ipairs(conditions) do
  if type(condition) == "table" and condition.type == "Valid" then
    local current = condition.observedGeneration == nil or condition.observedGeneration == obj.metadata.generation
    local message = type(condition.message) == "string" and condition.message or ""
    if current and condition.status == "True" then
      return { status = "Healthy", message = message }
    end
    if current and condition.status == "False" then
      return { status = "Degraded", message = message }
    end
  end
end
return { status = "Progressing", message = "not checked yet" }
