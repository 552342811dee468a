#!/usr/bin/env bash
# Installs the peers of the suite into a folder of their own: aimock (12 MB), which plays a provider of
# models, llama.cpp as a wheel (208 MB with numpy), which is one, the vendors' own libraries (80 MB), whose
# types say what they take, and telegram-test-api (7 MB), which plays the Bot API; for our exchange the
# broker's own client, alpaca-py, and Prism (90 MB) with the broker's own specifications; for checkpoints
# safetensors and numpy (50 MB); for our API's description openapi-spec-validator, and schemathesis, which asks
# a process by it (110 MB); for our spans OpenTelemetry's own definitions for Python (2 MB). Nothing outside the folder changes.
# Prints one line per peer: `ready: NAME` or `skipped: NAME: why`; a second run finds what is there.
#
# usage: install.sh FOLDER
set -euo pipefail

folder=${1:?usage: install.sh FOLDER}
aimock=1.43.0
xllamacpp=2026.10.11549
gguf=0.19.0
anthropic=2.10.0
openrouter=1.3.84
telegram=4.2.1
alpaca_py=0.44.0
safetensors=0.8.0
prism=5.16.0
schemathesis=4.32.5
openapi_spec_validator=0.9.0
opentelemetry_proto=1.45.2
alpaca_specs=2.4.0
mkdir -p "$folder"
cd "$folder"

# packages MARK PACKAGE..: into the folder's node_modules.
packages() {
    command -v node >/dev/null && command -v npm >/dev/null || { echo "no node and npm"; return 1; }
    [ -e "$1" ] && return
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix . "${@:2}" >npm.log 2>&1 ||
        { tail -n 1 npm.log; return 1; }
    touch "$1"
}

aimock() { packages "aimock-$aimock" "@copilotkit/aimock@$aimock"; }

telegram() { packages "telegram-$telegram" "telegram-test-api@$telegram"; }

# wheels MARK PACKAGE..: into an environment of Python's own.
wheels() {
    command -v python3 >/dev/null || { echo "no python3"; return 1; }
    [ -e "$1" ] && return
    [ -e venv/bin/pip ] || python3 -m venv venv >venv.log 2>&1 || { echo "no venv"; return 1; }
    venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: "${@:2}" \
        >pip.log 2>&1 || { tail -n 1 pip.log; return 1; }
    touch "$1"
}

llama() { wheels "llama-$xllamacpp" "xllamacpp==$xllamacpp" "gguf==$gguf" numpy; }

types() { wheels "types-$anthropic-$openrouter" "anthropic==$anthropic" "openrouter==$openrouter"; }

alpaca_py() { wheels "alpaca-py-$alpaca_py" "alpaca-py==$alpaca_py"; }

safetensors() { wheels "safetensors-$safetensors" "safetensors==$safetensors" numpy; }

openapi() {
    wheels "openapi-$schemathesis-$openapi_spec_validator" "schemathesis==$schemathesis" \
        "openapi-spec-validator==$openapi_spec_validator"
}

traces() { wheels "traces-$opentelemetry_proto" "opentelemetry-proto==$opentelemetry_proto"; }

# The proxy, and the specifications out of a wheel of which nothing is run.
prism() {
    command -v node >/dev/null && command -v npm >/dev/null || { echo "no node and npm"; return 1; }
    [ -e "prism-$prism" ] && return
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix . \
        "@stoplight/prism-cli@$prism" >npm-prism.log 2>&1 || { tail -n 1 npm-prism.log; return 1; }
    [ -e venv/bin/pip ] || python3 -m venv venv >venv.log 2>&1 || { echo "no venv"; return 1; }
    venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps \
        "alpaca-mcp-server==$alpaca_specs" >pip-specs.log 2>&1 || { tail -n 1 pip-specs.log; return 1; }
    venv/bin/python -m zipfile -e alpaca_mcp_server-*.whl . || { echo "no specifications"; return 1; }
    touch "prism-$prism"
}

for peer in aimock llama types telegram alpaca_py safetensors prism openapi traces; do
    if why=$("$peer"); then echo "ready: $peer"; else echo "skipped: $peer: $why"; fi
done
