package main

func int80() int
