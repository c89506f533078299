//! Host trees and a simulated host for the tests of hoststate.
