package import EventLoop

/// A socket that listens, and how what comes by it is secured where TLS is on.
package struct SecuredSocket {
    package let socket: ListeningSocket
    package let security: ListenerSecurity
}

extension NodeConfiguration {
    /// The sockets that `listening` says. Who only holds them for a node asks for them, too.
    package func makeSockets() throws(NodeError) -> [SecuredSocket] {
        let backlog = Int32(clamping: rules.backlog)
        do throws(SocketError) {
            switch rules.listening {
            case .unix(let path, let mode):
                let socket = try ListeningSocket.unix(path: path, mode: mode, backlog: backlog)
                return [SecuredSocket(socket: socket, security: .clear)]
            case .tcp(let places):
                var sockets: [SecuredSocket] = []
                for place in places {
                    for socket in try ListeningSocket.tcp(
                        host: place.host, port: place.port, backlog: backlog)
                    {
                        sockets.append(SecuredSocket(socket: socket, security: place.security))
                    }
                }
                return sockets
            case .handedOver(let descriptors):
                return descriptors.map { descriptor, security in
                    let socket = ListeningSocket(adopting: descriptor)
                    return SecuredSocket(
                        socket: socket, security: socket.address.isUnix ? .clear : security)
                }
            }
        } catch {
            throw NodeError(error)
        }
    }
}
