package cmd

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"tutti/inventory"
	"tutti/runner"
	"tutti/ssh"
)

// advice is how remedies name the hosts of d: in the words of the command line,
// with the flags that decide which hosts these are and where their keys are kept.
func (l *launching) advice(ctx context.Context, d *runner.Decision) ssh.Advice {
	o := l.o
	var words []string
	add := func(flag, value string) {
		if value != "" {
			words = append(words, flag, value)
		}
	}
	for _, file := range o.Hosts.Inventory {
		add("-i", file)
	}
	if o.Login.Port != 0 {
		add("-p", strconv.Itoa(o.Login.Port))
	}
	add("-J", o.Login.Jump)
	add("-F", o.Login.SSHConfig)
	if o.Login.KnownHosts != l.Getenv("TUTTI_KNOWN_HOSTS") {
		add("--known-hosts", o.Login.KnownHosts)
	}
	if o.Hosts.AdHoc() {
		add("-w", o.Hosts.Named)
	} else {
		words = append(words, d.Plan.Selector)
	}
	return ssh.Advice{Selection: shellWords(words), AdHoc: o.Hosts.AdHoc(), Known: l.knownToInventory(ctx)}
}

// knownToInventory reports whether the inventory that would have been read without
// -w has a host or group of a name. It is read when it is asked for the first
// time, and what is wrong with it is of no interest here.
func (l *launching) knownToInventory(ctx context.Context) func(string) bool {
	ctx = context.WithoutCancel(ctx) // which has ended by the time that a host is not found
	inv := sync.OnceValue(func() *inventory.Inventory {
		o := l.o.requestOptions
		o.Hosts.Named, o.Previous = "", nil
		inv, _, err := l.env().LoadInventory(ctx, &o.Request, nil)
		if err != nil {
			return nil
		}
		return inv
	})
	return func(name string) bool {
		sel, err := inventory.ParseSelector(name)
		if err != nil || inv() == nil || strings.Contains(name, ":") {
			return false
		}
		_, err = inv().Select(ctx, sel, inventory.SelectOptions{Refused: true})
		return err == nil
	}
}
