#!/usr/bin/env bash
# Makes the test files of model/sklearn with real scikit-learn, one virtual
# environment a version, and stops at the first one that fails.
#
#   internal/model/sklearn/testdata/generate.sh [VERSION...]
#
# Each line of the table below is one environment: the scikit-learn version,
# the Python that it wants, and what is installed beside it. numpy and joblib
# differ on purpose: numpy 2 renamed numpy.core, joblib 1.3 began to align
# arrays in the stream.
#
# Environment: VENVS is the folder for the environments (default: a temporary
# folder that is kept, so that a second run is quick). PYTHON_3_8 ... PYTHON_3_13
# name interpreters that are not on PATH as python3.8 ... python3.13.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venvs=${VENVS:-${TMPDIR:-/tmp}/serin-sklearn-venvs}

versions='
1.0.2 3.8  numpy==1.19.5 scipy==1.5.4  pandas==1.2.5 joblib==1.0.1
1.1.3 3.8  numpy==1.21.6 scipy==1.7.3  pandas==1.4.4 joblib==1.1.1
1.2.2 3.8  numpy==1.23.5 scipy==1.9.3  pandas==1.5.3 joblib==1.2.0
1.3.2 3.9  numpy==1.24.4 scipy==1.10.1 pandas==2.0.3 joblib==1.3.2
1.4.2 3.10 numpy==1.26.4 scipy==1.12.0 pandas==2.1.4 joblib==1.4.2
1.5.2 3.11 numpy==2.0.2  scipy==1.14.1 pandas==2.2.3 joblib==1.4.2
1.6.1 3.12 numpy==2.2.6  scipy==1.15.3 pandas==2.2.3 joblib==1.5.1
1.7.2 3.12 numpy==2.3.5  scipy==1.16.3 pandas==2.3.3 joblib==1.5.2
1.8.0 3.13 numpy scipy pandas joblib
1.9.1 3.13 numpy scipy pandas joblib
'

python_for() {
	local variable=PYTHON_${1//./_}
	if [[ -n ${!variable:-} ]]; then
		echo "${!variable}"
	elif command -v "python$1" >/dev/null; then
		command -v "python$1"
	else
		echo "generate.sh: no python$1 on PATH; install it or set $variable to its path" >&2
		return 1
	fi
}

wanted=" $* "
while read -r version python packages; do
	[[ -n $version ]] || continue
	[[ $wanted == "  " || $wanted == *" $version "* ]] || continue
	venv=$venvs/$version
	if [[ ! -e $venv/ready ]]; then
		echo "== scikit-learn $version: installing into $venv"
		interpreter=$(python_for "$python")
		rm -rf "$venv"
		"$interpreter" -m venv "$venv"
		# shellcheck disable=SC2086 # packages is a list
		"$venv/bin/python" -m pip install --quiet --only-binary :all: "scikit-learn==$version" $packages lz4
		touch "$venv/ready"
	fi
	[[ -n ${INSTALL_ONLY:-} ]] && continue
	echo "== scikit-learn $version: generating"
	"$venv/bin/python" "$here/generate.py" "$here"
done <<<"$versions"
