package cmd

import "tutti/cmd/internal/cli"

// Streams are what a command takes from the process.
type Streams = cli.Streams

// System returns the streams and the environment of the process.
func System() Streams { return cli.System() }
