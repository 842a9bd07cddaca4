// Go's archive/tar as a writer of layers and as the judge of what a layer may look like.
//
//	tar write USTAR|PAX|GNU FOLDER NAME...   the named files and folders of FOLDER, to standard output
//	tar read                                 standard input to its end, as containerd reads a layer
package main

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	var err error
	if len(os.Args) > 3 && os.Args[1] == "write" {
		err = write(os.Args[2], os.Args[3], os.Args[4:])
	} else {
		err = read()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(format, folder string, names []string) error {
	formats := map[string]tar.Format{"USTAR": tar.FormatUSTAR, "PAX": tar.FormatPAX, "GNU": tar.FormatGNU}
	writer := tar.NewWriter(os.Stdout)
	seen := map[uint64]string{}
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(folder, name), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return add(writer, formats[format], folder, path, seen)
		})
		if err != nil {
			return err
		}
	}
	return writer.Close()
}

func add(writer *tar.Writer, format tar.Format, folder, path string, seen map[uint64]string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	target, _ := os.Readlink(path)
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	header.Format = format
	if format != tar.FormatPAX {
		header.ModTime = header.ModTime.Truncate(time.Second)
		header.AccessTime, header.ChangeTime = time.Time{}, time.Time{}
	}
	if header.Name, err = filepath.Rel(folder, path); err != nil {
		return err
	}
	inode := info.Sys().(*syscall.Stat_t)
	if first, linked := seen[inode.Ino]; linked && inode.Nlink > 1 && info.Mode().IsRegular() {
		header.Typeflag, header.Linkname, header.Size = tar.TypeLink, first, 0
	}
	seen[inode.Ino] = header.Name
	if err := writer.WriteHeader(header); err != nil || header.Typeflag != tar.TypeReg {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(writer, file)
	return err
}

func read() error {
	reader := tar.NewReader(os.Stdin)
	for {
		_, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			_, err = io.Copy(io.Discard, reader)
		}
		if err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}
