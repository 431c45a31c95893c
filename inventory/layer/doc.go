// Package layer holds the content of one inventory file, before it is merged with others.
//
// A [Layer] names hosts and groups with their own [Values], each of which knows its
// [Key] and its [Origin], the place that gives it. The readers of the file formats
// make layers; package inventory puts them on top of each other and works out what
// each host gets.
//
// What all formats have in common is here as well: how a value is written and
// checked ([ParseValue], [HostWord], [ParseJump]), and which files are read and
// trusted ([File], [Trust], [Read]).
package layer
