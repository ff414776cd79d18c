//go:build !man

package main

import "github.com/spf13/cobra"

func building(*app) []*cobra.Command { return nil }
