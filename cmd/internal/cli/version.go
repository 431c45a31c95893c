package cli

import (
	"cmp"
	"runtime/debug"
)

// ModuleVersion is the version of this program, and nothing else.
func ModuleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	return cmp.Or(info.Main.Version, "(devel)")
}
