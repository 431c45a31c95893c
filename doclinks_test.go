package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docLink is a link of a doc comment to a name: of its own package, or of another.
var docLink = regexp.MustCompile(`\[\*?(?:([a-z]\w*)\.)?([A-Z]\w*(?:\.\w+)?)\](?:[^\[(:]|$)`)

// TestDocLinksLeadSomewhere: a doc comment's link to one of tutti's packages names
// something there.
func TestDocLinksLeadSomewhere(t *testing.T) {
	var files []*ast.File
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string][]string{} // by package
	for _, f := range files {
		names[f.Name.Name] = append(names[f.Name.Name], namesOf(f)...)
	}
	for _, f := range files {
		checkDocLinks(t, set, f, names)
	}
}

func checkDocLinks(t *testing.T, set *token.FileSet, f *ast.File, names map[string][]string) {
	t.Helper()
	for _, group := range f.Comments {
		for _, link := range docLink.FindAllStringSubmatch(group.Text(), -1) {
			pkg, name := link[1], link[2]
			if pkg == "" {
				pkg = f.Name.Name
			}
			if known := names[pkg]; known != nil && !slices.Contains(known, name) {
				t.Errorf("%s: [%s] is no name of package %s", set.Position(group.Pos()), name, pkg)
			}
		}
	}
}

// namesOf are the names at the top of f, and Type.Name of methods and fields.
func namesOf(f *ast.File) []string {
	var names []string
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if of := receiver(d); of != "" {
				names = append(names, of+"."+d.Name.Name)
			} else {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				names = append(names, namesOfSpec(spec)...)
			}
		}
	}
	return names
}

func namesOfSpec(spec ast.Spec) (names []string) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, id := range s.Names {
			names = append(names, id.Name)
		}
	case *ast.TypeSpec:
		names = append(names, s.Name.Name)
		var fields *ast.FieldList
		switch x := s.Type.(type) {
		case *ast.StructType:
			fields = x.Fields
		case *ast.InterfaceType:
			fields = x.Methods
		default:
			return names
		}
		for _, field := range fields.List {
			for _, id := range field.Names {
				names = append(names, s.Name.Name+"."+id.Name)
			}
		}
	}
	return names
}
