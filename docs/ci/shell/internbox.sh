#!/usr/bin/env bash
# Grades the fixes in a student's checkout with internbox, where Bash and Python are all there is:
# Jenkins, Buildkite, Woodpecker, cron, an instructor's own computer.
#
# Keep it out of the checkout. What decides a grade comes from the arguments; of the checkout only
# the fixes folder is read, and what lies in it runs on the scenario's machines alone.
# Who could forge what: docs/trust.md.
set -euo pipefail

usage() {
  cat << 'END'
internbox.sh [OPTIONS] CHECKOUT REPORTS SCENARIO…

  CHECKOUT      the student's repository, checked out
  REPORTS       a folder for junit.xml, grades.json and grades.md
  SCENARIO…     what is graded, as `internbox list` names it

  -f FOLDER     the folder of the checkout that holds AREA/NAME/ (fixes)
  -c COMMIT     what is graded, for the reports (as CI systems set it: GIT_COMMIT and the like)
  -s SEED       picks the variant (the name of the checkout's folder)
  -p POINTS     the score that every scenario needs for exit code 0 (100)
  -i WANTED     what pip installs (internbox); pin it, for example internbox==0.1.0
  -e FOLDER     the environment it is installed in: made if missing, kept, and used again until -i
                names something else
  -r REGISTRY   images are pulled from there, else built

Exit code 0: all passed; 1: something failed; 2: a fix no machine could run, or
wrong use; 3: something could not be graded.
END
}

wrong() {
  echo "internbox.sh: $1" >&2
  usage >&2
  exit 2
}

fixes=fixes commit='' seed='' points=100 wanted=internbox environment='' registry=''
while getopts f:c:s:p:i:e:r:h option; do
  case $option in
    f) fixes=$OPTARG ;;
    c) commit=$OPTARG ;;
    s) seed=$OPTARG ;;
    p) points=$OPTARG ;;
    i) wanted=$OPTARG ;;
    e) environment=$OPTARG ;;
    r) registry=$OPTARG ;;
    h) usage && exit ;;
    *) wrong 'unknown option' ;;
  esac
done
shift $((OPTIND - 1))
[ $# -ge 3 ] || wrong 'a checkout, a folder for reports and a scenario are needed'
[ -d "$1" ] || wrong "$1 is not a folder"
mkdir -p "$2"
checkout=$(cd "$1" && pwd) reports=$(cd "$2" && pwd)
shift 2
export INTERNBOX_SEED=${seed:-${checkout##*/}}
[ -z "$registry" ] || export INTERNBOX_REGISTRY=$registry

# Outside the checkout, and isolated (-I): no file of the student's is Python of ours.
if [ -z "$environment" ]; then
  environment=$(mktemp -d)
  trap 'rm -rf "$environment"' EXIT
fi
mkdir -p "$environment"
environment=$(cd "$environment" && pwd)
python=$environment/bin/python
# What was asked for last stands beside it: a kept environment follows when that changes.
installed=$environment/installed-for
if ! [ -x "$python" ] || ! "$python" -I -c 'import sandbox' 2> /dev/null ||
  [ "$(cat "$installed" 2> /dev/null)" != "$wanted" ]; then
  rm -f "$installed"
  python3 -I -m venv "$environment"
  "$python" -I -m pip install --quiet --force-reinstall "$wanted"
  printf '%s\n' "$wanted" > "$installed"
fi

# By content hash: what the registry has is pulled, the rest is built from Debian.
"$python" -I -m sandbox images build "$@"

# In the background: Bash acts on a signal at once then, and hands it on; internbox cleans up.
cd "$checkout"
"$python" -I -m sandbox run "$@" --fixes "$fixes" --untouched --pass "$points" ${commit:+--commit "$commit"} \
  --junit "$reports/junit.xml" --json "$reports/grades.json" --markdown "$reports/grades.md" &
run=$!
trap 'kill -TERM "$run" 2> /dev/null' HUP INT TERM
status=0
wait "$run" || status=$?
if kill -0 "$run" 2> /dev/null; then # the wait was ended by a signal, not by internbox
  status=0
  wait "$run" || status=$?
fi
exit "$status"
