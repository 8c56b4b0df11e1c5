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

# RubyGems has the Ruby client, Maven the Java one.
if [ ! -d "$dir/ruby/gems" ] && command -v gem >/dev/null; then
	gem install --no-document --install-dir "$dir/ruby" aws_lambda_ric || echo "no Ruby client" >&2
fi
if [ ! -d "$dir/java" ] && command -v mvn >/dev/null; then
	for artifact in com.amazonaws:aws-lambda-java-runtime-interface-client:2.7.0 com.amazonaws:aws-lambda-java-core:1.3.0 com.amazonaws:aws-lambda-java-serialization:1.1.2; do
		mvn -q -B dependency:copy -Dartifact="$artifact" -DoutputDirectory="$dir/java"
	done
fi

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
