package import EventLoop

/// A socket that listens, and how what comes by it is secured where TLS is on.
package struct SecuredSocket {
    package let socket: ListeningSocket
    package let security: ListenerSecurity
}

extension NodeConfiguration {
    /// The sockets that a space listens on. Who only holds them for a node asks for them, too.
    package func makeSockets(
        for space: SpaceConfiguration
    ) throws(NodeError) -> [SecuredSocket] {
        var sockets: [SecuredSocket] = []
        for listening in space.listening { sockets += try makeSockets(listening) }
        return sockets
    }

    func makeSockets(_ listening: Listening) throws(NodeError) -> [SecuredSocket] {
        let backlog = Int32(clamping: rules.backlog)
        do throws(SocketError) {
            switch listening {
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
            case .handedOver(let sockets):
                return sockets.map { handedOver in
                    let socket = ListeningSocket(adopting: handedOver.descriptor)
                    return SecuredSocket(
                        socket: socket,
                        security: socket.address.isUnix ? .clear : handedOver.security)
                }
            }
        } catch {
            throw NodeError(error)
        }
    }
}
