#!/usr/bin/env bash
# Tests of python/, in a virtual environment outside the clone.
#
# torch from PyPI fetches several gigabytes into a new environment. With
# --if-changed nothing is fetched and nothing runs where the tests have passed
# for exactly these files: tests/passed.txt, which is committed, says for which.
# Every run that passes writes it.
#
# TOKENSIEVE_VENV names the environment's folder.
# The last line is the count of tests, "N passed, N failed, N skipped".
set -euo pipefail
cd "$(dirname "$0")"
venv=${TOKENSIEVE_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/tokensieve/venv}
passed=tests/passed.txt

# The package, its tests, and what of the rest of the clone they depend on.
digest() {
  git ls-files --cached --others --exclude-standard -z -- \
    . ../models/tiny ../io/schedule_file.ts ":!$passed" |
    sort -z | xargs -0 sha256sum | sha256sum | cut -d " " -f 1
}

now=$(digest)
if [ "${1:-}" = --if-changed ] && [ "$(head -n 1 "$passed" 2>/dev/null)" = "$now" ]; then
  echo "python: left out, as nothing has changed since these tests passed:"
  tail -n +2 "$passed"
  echo "0 passed, 0 failed, $(grep -oE '^[0-9]+' <(tail -n 1 "$passed")) skipped"
  exit 0
fi

log=$(mktemp)
copy=$(mktemp -d)
trap 'rm -rf "$log" "$copy"' EXIT

# pip leaves its build in the folder that it installs from.
git ls-files --cached --others --exclude-standard -z -- . |
  xargs -0 cp --parents -t "$copy"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check "$copy[test]"

status=0
"$venv/bin/mypy" --cache-dir "$copy/.mypy_cache" || status=1
# The wheel holds all that the package needs.
(cd "$copy/tests" && "$venv/bin/python" -I -c \
  'import pathlib, tokensieve as t; assert (pathlib.Path(t.__file__).parent / "py.typed").exists()') ||
  status=1
OMP_NUM_THREADS=1 "$venv/bin/python" -m pytest -q -p no:cacheprovider 2>&1 |
  tee "$log" || status=1

count() {
  grep -E '^[0-9]+ (passed|failed|skipped|error)' "$log" | tail -n 1 |
    grep -oE "[0-9]+ $1" | grep -oE '^[0-9]+' || echo 0
}
failed=$(($(count failed) + $(count error)))
[ "$(count passed)" -gt 0 ] || status=1
[ "$status" = 0 ] || [ "$failed" -gt 0 ] || failed=1
summary="$(count passed) passed, $failed failed, $(count skipped) skipped"
if [ "$status" = 0 ]; then
  versions=$("$venv/bin/python" -c 'import platform, torch, transformers
print("Python", platform.python_version(), "torch", torch.__version__, "transformers", transformers.__version__)')
  printf '%s\n%s\n%s\n' "$now" "$versions" "$summary" >"$passed"
fi
echo "$summary"
exit "$status"
