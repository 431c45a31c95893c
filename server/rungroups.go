package server

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"tutti/api"
	"tutti/api/event"
	"tutti/internal/hostlist"
	"tutti/runner"
	"tutti/server/operation"
	"tutti/store"
)

type listRunGroupsIn struct {
	RunPath
	operation.Page
	Output string `query:"output" enum:"none,head" default:"none" doc:"head: the beginning of what each sample host said"`
	Bytes  int    `query:"bytes" minimum:"1" maximum:"65536" default:"4096" doc:"how much of it"`
}

func (a runOps) listRunGroups(ctx context.Context, in *listRunGroupsIn, key string, limit int) ([]api.Group, string, error) {
	run, _, err := a.run(ctx, in.Run)
	if err != nil {
		return nil, "", err
	}
	visible, err := a.visible(ctx)
	if err != nil {
		return nil, "", err
	}
	groups, err := a.Runs.Groups(ctx, run.ID, visible)
	if err != nil {
		return nil, "", err
	}
	some, last, err := slicePage(groups, key, limit)
	if err != nil {
		return nil, "", err
	}
	items := make([]api.Group, len(some))
	for i := range some {
		items[i] = api.NewGroup(&some[i], hostlist.Fold)
		if in.Output == "none" || !some[i].Started {
			continue
		}
		head, err := a.Runs.OutputRange(ctx, store.OutputQuery{Run: run.ID, Host: some[i].Sample(), Bytes: in.Bytes})
		if err != nil {
			return nil, "", err
		}
		items[i].Output, items[i].OutputMore = api.NewOutputParts(head.Parts), head.More
	}
	return items, last, nil
}

// slicePage is the part of a list that a key, which is a number of items, leaves, at
// most limit.
func slicePage[T any](all []T, key string, limit int) (some []T, last string, err error) {
	skip, err := numberOf(key)
	if err != nil {
		return nil, "", err
	}
	all = all[min(skip, int64(len(all))):]
	if len(all) > limit {
		return all[:limit], strconv.FormatInt(skip+int64(limit), 10), nil
	}
	return all, "", nil
}

type listDiffIn struct {
	RunPath
	operation.Page
	With string `query:"with" required:"true" maxLength:"20" doc:"the run that it is compared with, which is the earlier one: a number, last, or last~1"`
	By   string `query:"by" enum:"outcome,exit,output" doc:"only hosts of which the outcome, the exit, or the output is another"`
}

func (a runOps) listDiff(ctx context.Context, in *listDiffIn, key string, limit int) ([]event.Diff, string, error) {
	after, _, err := a.run(ctx, in.Run)
	if err != nil {
		return nil, "", err
	}
	before, _, err := a.run(ctx, in.With)
	if err != nil {
		return nil, "", err
	}
	for _, run := range []store.Run{before, after} {
		if err := runner.Ended(run); err != nil {
			return nil, "", err
		}
	}
	if before.ID == after.ID {
		return nil, "", operation.Invalid.Fail("").With(api.InParameter("with", "is the same run"))
	}
	visible, err := a.visible(ctx)
	if err != nil {
		return nil, "", err
	}
	diffs, err := a.Runs.Diff(ctx, before, after, visible)
	if err != nil {
		return nil, "", err
	}
	if in.By != "" {
		diffs = slices.DeleteFunc(diffs, func(d event.Diff) bool { return !changedBy(&d, in.By) })
	}
	return slicePage(diffs, key, limit)
}

// changedBy reports whether that has changed: outcome, exit or output.
func changedBy(d *event.Diff, what string) bool {
	if what == "output" {
		return d.Stdout != nil || d.Stderr != nil || d.Unrecorded
	}
	if d.Before == nil || d.After == nil {
		return d.Before != d.After // a host that one of the runs does not have
	}
	if d.Before.Outcome != d.After.Outcome || what == "outcome" {
		return d.Before.Outcome != d.After.Outcome
	}
	code := func(f *event.Fate) int64 {
		if f.ExitCode == nil {
			return -1
		}
		return int64(*f.ExitCode)
	}
	return code(d.Before) != code(d.After) || d.Before.Signal != d.After.Signal || d.Before.ErrorOp != d.After.ErrorOp
}

// fieldsOf are the words of a text.
func fieldsOf(text string) []string { return strings.Fields(text) }

// hideLocal takes out the options that name files and commands of the daemon's machine.
func hideLocal(options map[string][]string) {
	for name, texts := range options {
		k, known := runner.KeyNamed(strings.ReplaceAll(name, "_", "-"))
		if !known {
			delete(options, name)
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(texts), k.Local)
		if options[name] = kept; len(kept) == 0 && len(texts) > 0 {
			delete(options, name)
		}
	}
}
