-- Gives an OBTask the command `verb`, which is set in the line before.

if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["action"] = verb
return obj
