#!/bin/bash
# What ParallelCluster runs on every node when it is configured, and on the head node when the cluster is updated.
#
#   loader.sh ENVIRONMENT CLUSTER [anything]
#
# Its address and arguments cannot change while a cluster lives. So it does nothing but fetch what does change, from
# where a parameter says, and run it. A third argument makes an update of the cluster out of new content.
set -eu
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
environment=$1 cluster=$2
# Shell variables, by ParallelCluster.
cfn_region='' cfn_node_type=''
# shellcheck source=/dev/null
. /etc/parallelcluster/cfnconfig
export AWS_DEFAULT_REGION=$cfn_region AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=8

place=/opt/tandem
parameter=/tandem/$environment/clusters/$cluster/content
said=$(timeout 120 aws ssm get-parameter --name "$parameter" --query Parameter.Value --output text)
# Where the content is, and where the cluster's scratch file system is mounted.
read -r content scratch <<<"$said"
case $content in
  s3://?*/?*) ;;
  *) echo "loader: $parameter does not say where the content is" >&2; exit 1 ;;
esac

mkdir -p "$place"
new=$(mktemp -d "$place/.content.XXXXXX")
trap 'rm -rf "$new"' EXIT
timeout 300 aws s3 cp --only-show-errors "$content" "$new/content.zip"
python3 -m zipfile -e "$new/content.zip" "$new/content"
chmod 755 "$new/content"
rm -rf "$place/content"
mv "$new/content" "$place/content"
bash "$place/content/setup.sh" "$environment" "$cluster" "$cfn_node_type" "$cfn_region" "${scratch:-/fsx_$cluster}"
