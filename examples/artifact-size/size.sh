#!/bin/sh
# Prints the metric: the size of the page as a server would send it.
set -eu
size=$(gzip -9 -n -c out/index.html | wc -c)
echo "METRIC bytes=$((size))"
