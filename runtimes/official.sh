#!/bin/sh
# Installs AWS's own runtime clients into a folder, for TestAgainstOfficialClients:
#   runtimes/official.sh DIR && WICK_OFFICIAL_CLIENTS=DIR go test ./runtimes
# The Node client is built from source: it needs cmake, make, a C++ compiler, autoconf,
# automake and libtool.
set -eu
dir=${1:?usage: official.sh DIR}
mkdir -p "$dir/python" "$dir/build"
dir=$(cd "$dir" && pwd)

for version in 3.8 3.12; do
	[ -x "$dir/python/$version/bin/python3" ] && continue
	python=$(command -v "python$version" || true)
	for candidate in "$python" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python3; do
		if "$candidate" -c 'import venv' 2>/dev/null; then
			"$candidate" -m venv "$dir/python/$version"
			"$dir/python/$version/bin/pip" install -q awslambdaric
			break
		fi
	done
done

cd "$dir/build"
[ -f package.json ] || npm init -y >/dev/null
if [ ! -f "$dir/node/rapid-client.node" ]; then
	npm install --foreground-scripts aws-lambda-ric@3.3.0
	mkdir -p "$dir/node"
	cp node_modules/aws-lambda-ric/dist/* "$dir/node/"
fi
if [ ! -f "$dir/node24/rapid-client.node" ]; then
	# Its native part is the same; only its JavaScript is newer.
	tar xzf "$(npm pack --silent aws-lambda-ric@4.0.2)"
	mkdir -p "$dir/node24"
	cp package/index.mjs "$dir/node/rapid-client.node" "$dir/node24/"
fi
echo "AWS's runtime clients are in $dir"
