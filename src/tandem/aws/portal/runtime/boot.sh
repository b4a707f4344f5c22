#!/bin/bash
# Makes a portal node of a fresh instance: cloud-init runs it once, after lines that export what is asked for below.
# Whatever fails is told to CloudFormation, and so is the end: when the node answers that it is ready, and not before.
#
# The packages of Amazon Linux come from the release that the image is locked to, and Python's from the wheelhouse.
set -eu
umask 022
PATH=/opt/aws/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
: "${TANDEM_PARAMETER:?}" "${TANDEM_REGION:?}" "${TANDEM_STACK:?}" "${TANDEM_RESOURCE:?}" "${TANDEM_WHEELHOUSE:?}"
export AWS_DEFAULT_REGION=$TANDEM_REGION AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=8
step='beginning'

finished() {
  code=$?
  [ "$code" = 0 ] || echo "tandem: failed at: $step" >&2
  cfn-signal --exit-code "$code" --reason "${step}" --stack "$TANDEM_STACK" --resource "$TANDEM_RESOURCE" \
    --region "$TANDEM_REGION"
}
trap finished EXIT

step='installing packages'
timeout 300 dnf install -y -q python3.12 python3.12-pip nftables amazon-cloudwatch-agent logrotate

step='fetching the wheelhouse'
mkdir -p /opt/tandem
timeout 300 aws s3 cp --only-show-errors "$TANDEM_WHEELHOUSE" /opt/tandem/wheelhouse.zip
rm -rf /opt/tandem/wheels
python3.12 -m zipfile -e /opt/tandem/wheelhouse.zip /opt/tandem/wheels

step='installing the portal'
python3.12 -m venv /opt/tandem/venv
pip() { timeout 300 /opt/tandem/venv/bin/python -m pip install -q --no-index --find-links /opt/tandem/wheels "$@"; }
pip --require-hashes --requirement /opt/tandem/wheels/runtime.txt
pip --no-deps /opt/tandem/wheels/tandem_hpc-*.whl

step='setting the node up'
/opt/tandem/venv/bin/python -m tandem.aws.portal.runtime.setup "$TANDEM_PARAMETER" "$TANDEM_REGION"

step='waiting until the node is ready'
/opt/tandem/venv/bin/python -m tandem.aws.portal.runtime.ready
step='ready'
