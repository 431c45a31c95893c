// Package transfer moves files and trees between this machine and hosts. A file appears
// under its name whole or not at all: it is written under a temporary name in the same
// directory and then renamed. What has the same size and SHA-256 is left alone.
//
// The package has the rules and asks a Remote, the file system of a host, to carry them
// out; package sftp and package shell are the two kinds of it.
package transfer
