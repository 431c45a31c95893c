package runner

import (
	"errors"
	"testing"

	"tutti/fanout"
	"tutti/store"
)

// Of a submitted request no key acts on this machine, but for what came with it.
func TestSubmittedKeysAreNotLocal(t *testing.T) {
	none := func(string) string { return "" }
	with := Unrecorded{Secrets: map[string]fanout.Secret{"TOKEN": fanout.Secret("x")}, Stdin: []byte{}}
	for _, k := range Keys() {
		for _, text := range []string{"TOKEN", "HOME", "-", "true", "strict", "1"} {
			if !k.Local(text) {
				continue
			}
			q := &store.QueuedRequest{Command: "true", Keys: map[string][]string{k.Name: {text}}}
			_, err := requestOfQueued(q, &Unrecorded{}, none)
			local, is := errors.AsType[*LocalKeyError](err)
			if !is || local.Key != k.Option() {
				t.Errorf("%s=%s: got %v", k.Name, text, err)
			}
			_, err = requestOfQueued(q, &with, none)
			came := k.Name == "env" && text == "TOKEN" || k.Name == "stdin" && text == "-"
			if came != (err == nil) {
				t.Errorf("%s=%s: got %v with what came with it", k.Name, text, err)
			}
		}
	}
}

// A script that was submitted is what is sent, by the program that was asked for.
func TestScriptOfText(t *testing.T) {
	q := &store.QueuedRequest{Script: &store.QueuedScript{Label: "script x", Text: []byte("#!/bin/sh -e\necho\n"), Args: []string{"a"}}}
	for by, want := range map[string]int{"": 2, "/usr/bin/env": 1} {
		q.Script.Interpreter = by
		task, err := taskOfQueued(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		script := task.Action.(*fanout.Script)
		if len(script.Interpreter) != want || script.Label != "script x" || script.Size != 18 || len(script.Args) != 1 {
			t.Errorf("got %+v", script)
		}
		CloseScript(task)
	}
	q.Script.Interpreter, q.Script.Text = "sh", []byte("echo")
	if _, err := taskOfQueued(t.Context(), q); err == nil {
		t.Error("a program without a path is taken")
	}
}
