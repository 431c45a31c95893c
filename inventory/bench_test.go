package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tutti/inventory/layer"
)

// bigFleet is an inventory of 10,000 hosts, each with an entry of its own.
func bigFleet(tb testing.TB) string {
	tb.Helper()
	var b strings.Builder
	b.WriteString("defaults: {user: deploy, connect_timeout: 10s}\nhosts:\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "  web%05d.fra: {address: 10.%d.%d.1, port: 22, labels: {dc: fra, rack: r%d}}\n", i, i/250, i%250, i%40)
	}
	b.WriteString("groups:\n")
	for g := range 20 {
		fmt.Fprintf(&b, "  g%d: {hosts: [\"web[%05d-%05d].fra\"], timeout: 1m}\n", g, g*500, g*500+499)
	}
	path := filepath.Join(tb.TempDir(), "hosts.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func BenchmarkLoad(b *testing.B) {
	path := bigFleet(b)
	b.ReportAllocs()
	for b.Loop() {
		inv, err := Load(b.Context(), []layer.File{{Path: path, Trust: layer.Named}})
		if err != nil || len(inv.hosts) != 10_000 {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoadPlain(b *testing.B) {
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "root@web%05d.fra:2222\n", i)
	}
	path := filepath.Join(b.TempDir(), "host.list")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(b.Context(), []layer.File{{Path: path, Trust: layer.Named}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSelect(b *testing.B) {
	inv, err := Load(b.Context(), []layer.File{{Path: bigFleet(b), Trust: layer.Named}})
	if err != nil {
		b.Fatal(err)
	}
	for _, text := range []string{"all", "g3", "web[00000-09999].fra", "web*.fra,&rack=r1*,!web01*", `~^web\d+7\.fra$`, "web0[0000-0099]*"} {
		sel, err := ParseSelector(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := inv.Select(b.Context(), sel, SelectOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
