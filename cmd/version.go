package cmd

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
)

func newVersionCmd(std Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  tutti version",
		Args:    cli.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(std.Out, versionText())
			return err
		},
	}
	help.Set(cmd, help.ExitShort)
	return cmd
}

// versionText is one line out of what the Go toolchain wrote into the binary.
func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "tutti (built without module information)"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	version := info.Main.Version
	if version == "" {
		version = "(devel)"
	}
	words := []string{"tutti", version}
	if rev := settings["vcs.revision"]; len(rev) >= 12 && !strings.Contains(version, rev[:12]) {
		words = append(words, rev[:12])
		if settings["vcs.modified"] == "true" {
			words = append(words, "modified")
		}
	}
	return strings.Join(append(words, info.GoVersion, runtime.GOOS+"/"+runtime.GOARCH), " ")
}
