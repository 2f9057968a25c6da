internal import CLibevent
import Glibc

/// The addresses of a host, to be dialled.
package struct HostAddresses: Sendable {
    struct Address {
        var family: Int32
        var storage: sockaddr_storage
        var length: socklen_t
    }

    let all: [Address]

    /// Looks a name up, which takes as long as the resolver takes: of an address, no time at all.
    package init(host: String, port: Int) throws(SocketError) {
        let list = try AddressList(host: host, port: port, isPassive: false)
        all = list.entries.map { info in
            var storage = sockaddr_storage()
            withUnsafeMutableBytes(of: &storage) { target in
                target.copyMemory(
                    from: UnsafeRawBufferPointer(
                        start: info.ai_addr, count: min(target.count, Int(info.ai_addrlen))))
            }
            return Address(family: info.ai_family, storage: storage, length: info.ai_addrlen)
        }
    }

    /// Whether a host is an address, which nobody has to be asked for.
    package static func isNumeric(_ host: String) -> Bool {
        var address = in6_addr()
        return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1
    }
}
