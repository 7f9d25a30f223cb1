"""Recordings: conversion of state vectors of real traffic to smooth trajectories."""
