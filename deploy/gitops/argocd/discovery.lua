-- The commands of an OBTask as actions in Argo CD; those that would be refused now are greyed out.

local actions = {
  ["retry"] = { displayName = "Retry", iconClass = "fa fa-fw fa-redo" },
  ["rollback"] = { displayName = "Roll back", iconClass = "fa fa-fw fa-undo" },
  ["skip"] = { displayName = "Skip the task (frees the lock)", iconClass = "fa fa-fw fa-forward" },
  ["skip-step"] = { displayName = "Skip the failed step", iconClass = "fa fa-fw fa-step-forward" },
  ["cancel"] = { displayName = "Cancel", iconClass = "fa fa-fw fa-stop-circle" },
  ["approve"] = { displayName = "Approve", iconClass = "fa fa-fw fa-check" },
}

for _, action in pairs(actions) do
  action.disabled = true
end
local status = type(obj.status) == "table" and obj.status or {}
for _, verb in ipairs(type(status.allowedActions) == "table" and status.allowedActions or {}) do
  if actions[verb] ~= nil then
    actions[verb].disabled = false
  end
end
return actions
