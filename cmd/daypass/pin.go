package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// readPIN replaces a PIN of "-" by what is typed at the terminal, or else by
// the first line of standard input. One that stands on the command line is
// warned about.
func (a *app) readPIN(pin *string) error {
	switch {
	case *pin == "":
		return nil
	case *pin != "-":
		if a.env("DAYPASS_PIN") != *pin {
			fmt.Fprintln(a.err, "daypass: warning: other users of this machine can see the PIN among the arguments; --pin - reads it from the terminal")
		}
		return nil
	}
	text, err := a.typedPIN()
	if err != nil {
		return err
	}
	if text == "" {
		return usagef("no PIN was given")
	}
	*pin = text
	return nil
}

func (a *app) typedPIN() (string, error) {
	file, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(a.in, maxInput)).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return strings.TrimRight(line, "\r\n"), err
	}
	fmt.Fprint(a.err, "PIN: ")
	defer fmt.Fprintln(a.err)
	text, err := term.ReadPassword(int(file.Fd()))
	return string(text), err
}
