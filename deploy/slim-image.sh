#!/bin/sh
# Takes out of a virtual environment what the operator never loads, and compiles the rest. The image stays below 250 MB by this.
#   slim-image.sh /opt/obtask
#
# Cut (MB):  33  the synchronous half of the Kubernetes client: only kubernetes.aio is used
#            43  sources and docstrings of kubernetes.aio, generated code: only its bytecode stays
#             4  the CEL extension that expressions do not offer (executors/evaluation/language.py imports the others)
#             9  whole packages that only the synchronous half of the Kubernetes client, or coloured help texts, would load
# The wheel has no devcluster in it, and the lock's development group is not installed.
set -eu
python=$1/bin/python
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

"$python" - requests requests-oauthlib oauthlib websocket-client charset-normalizer rich markdown-it-py mdurl pygments <<'END'
import sys
from importlib.metadata import PackageNotFoundError, distribution

for name in sys.argv[1:]:
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        sys.exit(f"{name} is not there any more: take it off the list in slim-image.sh")
    for file in files:
        file.locate().unlink(missing_ok=True)
END

cd "$packages"
find . -type d -empty -delete
: > kubernetes/__init__.py      # imports the synchronous half
rm -rf kubernetes/client kubernetes/config kubernetes/dynamic kubernetes/informer kubernetes/leaderelection \
  kubernetes/stream kubernetes/utils kubernetes/watch
find kubernetes -name '*_test.py' -delete
find . -name __pycache__ -prune -exec rm -rf {} +
"$python" -OO -m compileall -q -b kubernetes
find kubernetes -name '*.py' -delete
find cel_expr_python/ext -name '*.so' ! -name 'ext_bindings.*' ! -name 'ext_encoders.*' ! -name 'ext_math.*' ! -name 'ext_optional.*' \
  ! -name 'ext_strings.*' -delete
# Checked by content, not by time: layers do not keep times alike, and a read-only file system cannot be written to.
"$python" -m compileall -q --invalidation-mode unchecked-hash .
