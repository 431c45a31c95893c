#!/bin/sh
cat "$(dirname "$0")/cloud.json"
