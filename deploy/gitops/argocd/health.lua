-- How healthy an OBTask is, for Argo CD: Ready is Healthy, Stalled is Degraded, all else is Progressing, as for Flux and Helm.
-- Argo CD gives a script no library but base and table, and shows an error in it as a resource without health.

local function map(value)
  return type(value) == "table" and value or {}
end

local function text(value)
  return type(value) == "string" and value or ""
end

local function holds(conditions, wanted)
  for _, condition in ipairs(map(conditions)) do
    if map(condition).type == wanted then
      return condition.status == "True"
    end
  end
  return false
end

-- What a person can type about a failed task.
local function hint(meta, status)
  local verbs = {}
  for _, verb in ipairs(map(status.allowedActions)) do
    table.insert(verbs, text(verb))
  end
  if #verbs == 0 then
    return ""
  end
  local first = table.remove(verbs, 1)
  local others = #verbs > 0 and " (or " .. table.concat(verbs, ", ") .. ")" or ""
  return "; kubectl annotate obtask " .. text(meta.name) .. " -n " .. text(meta.namespace) .. " action=" .. first .. others
end

local meta, status = map(obj.metadata), map(obj.status)
local phase = text(status.phase)

if meta.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "being deleted: running subtasks are stopped first, nothing is undone" }
end
if phase == "" or status.observedGeneration ~= meta.generation then
  return { status = "Progressing", message = "no operator has seen it yet" }
end

local message = text(status.message)
message = phase .. (message ~= "" and ": " .. message or "")

if holds(status.conditions, "Ready") then
  return { status = "Healthy", message = message }
end
if holds(status.conditions, "Stalled") then
  return { status = "Degraded", message = message .. hint(meta, status) }
end
return { status = "Progressing", message = message }
