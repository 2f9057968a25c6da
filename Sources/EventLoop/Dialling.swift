internal import CLibevent
import Glibc

/// A connection that is being made, without anybody waiting for it.
package final class Dialling {
    private let loop: Loop
    private let completed: (Int32?) -> Void
    /// Those that were not tried yet, the next one at the end.
    private var addresses: [HostAddresses.Address]
    private var descriptor: Int32 = -1
    private var writable: DescriptorEvent?
    private var deadline: Timer?
    private let timeoutMilliseconds: Int

    /// - Parameter completed: is given a connected, non-blocking descriptor, and owns it from then on; nil when
    ///   nobody has answered, or not within the time.
    package init(
        loop: Loop, addresses: HostAddresses, timeoutMilliseconds: Int,
        completed: @escaping (Int32?) -> Void
    ) {
        self.loop = loop
        self.completed = completed
        self.timeoutMilliseconds = timeoutMilliseconds
        self.addresses = addresses.all.reversed()
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Begins with the first address; to be called once, on the loop's thread.
    package func start() throws(EventLoopError) {
        let timer = try Timer(loop: loop) { [unowned self] in finish(nil) }
        deadline = timer
        try timer.start(afterMilliseconds: timeoutMilliseconds)
        tryNext()
    }

    private func tryNext() {
        writable = nil
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        guard let address = addresses.popLast() else { return finish(nil) }
        let descriptor = socket(
            address.family,
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
                | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return tryNext() }
        self.descriptor = descriptor
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        var storage = address.storage
        let result = withUnsafePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, address.length)
            }
        }
        guard result == 0 || errno == EINPROGRESS else { return tryNext() }
        do {
            let event = try DescriptorEvent(
                loop: loop, descriptor: descriptor, interest: .writable
            ) { [unowned self] _ in becameWritable() }
            writable = event
            try event.enable()
        } catch {
            finish(nil)
        }
    }

    private func becameWritable() {
        var reason: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &reason, &length) == 0, reason == 0
        else { return tryNext() }
        finish(descriptor)
    }

    private func finish(_ connected: Int32?) {
        guard deadline != nil else { return }
        deadline = nil
        writable = nil
        if connected != nil { descriptor = -1 }
        completed(connected)
    }
}
