//go:build !conformance

package server

func (s *Server) addFixtures() {}
