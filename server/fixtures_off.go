//go:build !conformance

package server

func addFixtures(s *Server) {}
