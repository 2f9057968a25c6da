public import ServiceLifecycle

/// To be run by a `ServiceGroup`, before the services that use the client: they are then shut down
/// before it.
extension CacheClient: Service {
    /// Follows the membership until the task is cancelled or shut down gracefully, and then shuts the
    /// client down.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await follower.follow()
            // A fixed list has nothing to be followed.
            try? await gracefulShutdown()
        }
        shutDown()
    }
}
