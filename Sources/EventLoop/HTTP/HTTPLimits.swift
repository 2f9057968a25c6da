/// What is taken of a peer by HTTP, and for how long it is waited for.
package struct HTTPLimits: Equatable, Sendable {
    /// Of a request's first line and headers together.
    package var headByteCount = 16_384
    package var bodyByteCount = 16_384
    /// With one more, the connection that has waited for a request the longest is closed.
    package var connectionCount = 64
    /// Until a new connection's first request is there, all of it.
    package var firstRequestSeconds = 10
    /// The same of a further request, since the last answer.
    package var nextRequestSeconds = 75

    package init() {}
}
