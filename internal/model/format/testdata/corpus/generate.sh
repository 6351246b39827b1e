#!/usr/bin/env bash
# Makes the corpus with the real libraries, one virtual environment a line of
# the table, and stops at the first one that fails.
#
#   internal/model/format/testdata/corpus/generate.sh [ENVIRONMENT[:FAMILY,...]...]
#
# Each line of the table below is one environment: its name, the Python that it
# wants, the families of models that are made in it (the modules beside this
# script), and what is installed: packages with what they depend on, and after
# the bar packages alone, because they would bring graphics libraries or want a
# newer scikit-learn than the environment is for.
#
# Environment: VENVS is the folder for the environments (default: a temporary
# folder that is kept, so that a second run is quick). INSTALL_ONLY stops before
# generating. PYTHON_3_8 ... PYTHON_3_13 name interpreters that are not on PATH
# as python3.8 ... python3.13.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venvs=${VENVS:-${TMPDIR:-/tmp}/serin-corpus-venvs}

environments='
sklearn-1.0.2 3.8  trees,linear,steps,texts,vectorizers,meta        scikit-learn==1.0.2 numpy==1.19.5 scipy==1.5.4 pandas==1.2.5 joblib==1.0.1 lz4 |
sklearn-1.2.2 3.8  trees,linear,steps,texts,vectorizers,meta,skops_ scikit-learn==1.2.2 numpy==1.23.5 scipy==1.9.3 pandas==1.5.3 joblib==1.2.0 lz4 packaging tabulate huggingface_hub | skops==0.9.0
sklearn-1.3.2 3.9  trees,linear,steps,texts,vectorizers,meta        scikit-learn==1.3.2 numpy==1.24.4 scipy==1.10.1 pandas==2.0.3 joblib==1.3.2 lz4 |
sklearn-1.5.2 3.11 trees,linear,steps,texts,vectorizers,meta        scikit-learn==1.5.2 numpy==2.0.2 scipy==1.14.1 pandas==2.2.3 joblib==1.4.2 lz4 |
sklearn-1.7.2 3.12 trees,linear,steps,texts,vectorizers,meta        scikit-learn==1.7.2 numpy==2.3.5 scipy==1.16.3 pandas==2.3.3 joblib==1.5.2 lz4 |
sklearn-1.9.1 3.13 trees,linear,steps,texts,vectorizers,meta,skops_ scikit-learn==1.9.1 numpy==2.5.5 scipy==1.18.1 pandas==3.1.1 joblib==1.6.0 lz4 packaging prettytable | skops==0.16.0
onnx          3.12 onnx_ scikit-learn==1.7.2 numpy==2.3.5 scipy==1.16.3 pandas==2.3.3 joblib==1.5.2 onnx==1.19.1 onnxruntime==1.23.2 protobuf==5.29.5 | skl2onnx==1.20.0 onnxmltools==1.16.0 onnxconverter-common==1.16.0 xgboost==3.1.3 lightgbm==4.6.0
gbdt-0        3.8  gbdt  scikit-learn==1.0.2 numpy==1.19.5 scipy==1.5.4 pandas==1.2.5 joblib==1.0.1 | xgboost==1.0.2 lightgbm==2.3.1
gbdt-0b       3.8  gbdt  scikit-learn==1.0.2 numpy==1.19.5 scipy==1.5.4 pandas==1.2.5 joblib==1.0.1 | xgboost==1.3.3 lightgbm==3.0.0
gbdt-1        3.8  gbdt  scikit-learn==1.2.2 numpy==1.23.5 scipy==1.9.3 pandas==1.5.3 joblib==1.2.0 | xgboost==1.7.6 lightgbm==3.3.5
gbdt-2        3.10 gbdt  scikit-learn==1.4.2 numpy==1.26.4 scipy==1.12.0 pandas==2.1.4 joblib==1.4.2 | xgboost==2.0.3 lightgbm==4.0.0
gbdt-3        3.12 gbdt  scikit-learn==1.6.1 numpy==2.2.6 scipy==1.15.3 pandas==2.2.3 joblib==1.5.1 matplotlib plotly graphviz six | xgboost==3.0.5 lightgbm==4.6.0 catboost==1.2.10
gbdt-4        3.13 gbdt,boosted scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 pandas==2.3.3 joblib==1.5.3 | xgboost==3.4.1 lightgbm==4.7.0
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

# wanted prints the families of an environment that were asked for.
wanted() { # ENVIRONMENT FAMILIES ARGUMENT...
	local name=$1 families=$2 argument
	shift 2
	[[ $# -gt 0 ]] || echo "$families"
	for argument in "$@"; do
		[[ ${argument%%:*} == "$name" ]] || continue
		if [[ $argument == *:* ]]; then echo "${argument#*:}"; else echo "$families"; fi
	done
}

while read -r name python families packages; do
	[[ -n $name ]] || continue
	families=$(wanted "$name" "$families" "$@")
	[[ -n $families ]] || continue
	venv=$venvs/$name
	if [[ ! -e $venv/ready ]]; then
		echo "== $name: installing into $venv"
		interpreter=$(python_for "$python")
		rm -rf "$venv"
		"$interpreter" -m venv "$venv"
		install=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all:)
		# shellcheck disable=SC2086 # packages is a list
		"${install[@]}" ${packages%%|*}
		alone=${packages#*|}
		# shellcheck disable=SC2086
		[[ -z ${alone// /} ]] || "${install[@]}" --no-deps $alone
		touch "$venv/ready"
	fi
	[[ -n ${INSTALL_ONLY:-} ]] && continue
	echo "== $name: generating ${families//$'\n'/,}"
	PYTHONHASHSEED=0 OMP_NUM_THREADS=1 "$venv/bin/python" -B "$here/generate.py" "$name" "${families//$'\n'/,}" "$here"
done <<<"$environments"
