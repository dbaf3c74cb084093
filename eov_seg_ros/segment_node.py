# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The managed node `eov_seg`: lifecycle, parameters and service; the work is in `pipeline`.

unconfigured --configure: load the model, encode the vocabulary, warm up--> inactive
inactive --activate: subscribe and publish--> active --deactivate: keep the model--> inactive
inactive --cleanup: free all memory--> unconfigured

Loading happens in a thread while the state is still `unconfigured`; the transition itself takes no
time.  So services and /diagnostics answer from the first second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
import functools
import logging
import sys
from typing import Any, NoReturn

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import (
    LifecycleNode,
    LifecycleNodeMixin,
    LifecycleState,
    TransitionCallbackReturn,
)
from rclpy.logging import LoggingSeverity
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from eov_seg_core.device.threads import share_cores
from eov_seg_core.io.text import printable
from eov_seg_ros.log_bridge import forward_logging
from eov_seg_ros.parameter_spec import declare
from eov_seg_ros.parameters import Parameters, specs
from eov_seg_ros.pipeline.loading import load_model, LoadedModel, Loading
from eov_seg_ros.pipeline.pipeline import Pipeline
from eov_seg_ros.pipeline.segmenter_factory import free_memory, load_segmenter
from eov_seg_ros.pipeline.word_lists import consequences, FILE, STUFF, THINGS
from eov_seg_ros.process.arguments import refuse_other_arguments
from eov_seg_ros.process.bond import start_bond
from eov_seg_ros.process.executor import FatalError
from eov_seg_ros.process.given_parameters import refusal, unknown_parameters, unused_files
from eov_seg_ros.process.node_status import NodeStatus
from eov_seg_ros.process.run import end_process, run_node
from eov_seg_ros.text import describe
from eov_seg_ros.weights.fetching import Fetching

_QOS = 'qos_overrides.'

_Transition = Callable[['SegmentNode', LifecycleState], TransitionCallbackReturn]


def _reporting(transition: _Transition) -> _Transition:
    """Make a failing transition say why; rclpy would swallow the error."""
    @functools.wraps(transition)
    def report(node: SegmentNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            result = transition(node, state)
        except Exception as error:  # noqa: BLE001  whatever it was, a retry must be possible
            node.has_failed(f'{transition.__name__} failed: {describe(error)}')
            return TransitionCallbackReturn.FAILURE
        node.has_failed('')
        return result
    return report


class SegmentNode(LifecycleNode):
    """Open-vocabulary panoptic segmentation of a camera's images.

    Args:
        segmenter_factory: Makes the segmenter from the parameters.
        **options: As for `rclpy.node.Node`.

    Raises:
        InvalidParameterTypeException: A given parameter has another type.
        InvalidParameterValueException: A given parameter is out of range.
    """

    def __init__(self, segmenter_factory: Callable[[Parameters], Any] = load_segmenter,
                 **options: Any) -> None:
        Node.__init__(self, 'eov_seg', **options)
        # A group of their own, because change_state waits there until the model is loaded.
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        self._segmenter_factory = segmenter_factory
        self._pipeline: Pipeline | None = None
        self._loading: Loading | None = None
        self._bond: Any = None
        self._resources = ExitStack()
        debug = self.get_logger().get_effective_level() == LoggingSeverity.DEBUG
        self._resources.enter_context(forward_logging(
            self.get_logger(), logging.DEBUG if debug else logging.INFO))
        self._status = NodeStatus(self)
        declare(self, specs())
        self._warn_of_unknown_parameters()
        self._follow_parameters()
        change_state: Any = self._service_change_state
        self._transition, change_state.callback = change_state.callback, self._on_change_state
        self.create_service(SetBool, '~/set_enabled', self._on_set_enabled)
        self.create_service(Trigger, '~/forget', self._on_forget)
        # A steady clock, because simulated time may not have begun.
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._publish_diagnostics, clock=clock)
        if self.get_parameter('autostart').value:
            self._start = self.create_timer(0.001, self._autostart, clock=clock,
                                            callback_group=ReentrantCallbackGroup())

    # Lifecycle.

    @_reporting
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take the model that was loaded meanwhile, or load it now."""
        loading, self._loading = self._loading, None
        model = (self._load(self._parameters_at_start(), Fetching()) if loading is None
                 else loading.result())
        self._pipeline = Pipeline(self, model.parameters, model)
        self._pipeline.apply(Parameters.of_node(self))  # they may have changed meanwhile
        return super().on_configure(state)

    @_reporting
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish the class map and subscribe to the cameras."""
        result = super().on_activate(state)
        if self._pipeline is not None:
            self._pipeline.activate()
        if not self.get_parameter('autostart').value:
            self._bond = start_bond(self)
        self._warn_of_unknown_parameters(_QOS)  # declared with publishers and subscriptions
        return result

    @_reporting
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, finish the frame in work, stop publishing; keep the model."""
        self._end_bond()
        if self._pipeline is not None:
            self._pipeline.deactivate()
        return super().on_deactivate(state)

    @_reporting
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and forget the class ids."""
        self._close_pipeline()
        free_memory()
        return super().on_cleanup(state)

    @_reporting
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything."""
        self._close_pipeline()
        free_memory()
        return super().on_shutdown(state)

    @_reporting
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, so that configure can be tried again."""
        self._close_pipeline()
        free_memory()
        return super().on_error(state)

    def destroy_node(self) -> None:
        """End the threads, then the node."""
        self._close_pipeline()
        self._resources.close()
        super().destroy_node()

    def has_failed(self, why: str) -> None:
        """Log that a transition failed, and why, for /diagnostics too; empty: it did not."""
        self._status.failure = why
        if why:
            self.get_logger().error(why)

    def _end_bond(self) -> None:
        bond, self._bond = self._bond, None
        if bond is not None:
            bond.shutdown()

    def _close_pipeline(self) -> None:
        self._end_bond()
        if self._loading is not None:
            self._loading.abandon()
            self._loading = None
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None

    async def _autostart(self) -> None:
        self.destroy_timer(self._start)
        await self._load_meanwhile()
        if self._state_machine.current_state[1] != 'unconfigured':
            return      # somebody shut it down meanwhile
        if (self.trigger_configure() != TransitionCallbackReturn.SUCCESS
                or self.trigger_activate() != TransitionCallbackReturn.SUCCESS):
            self._publish_diagnostics()
            raise FatalError('the node ends because it could not start; the reason is above. With '
                             'autostart:=false it stays, and a lifecycle manager may try again')

    async def _on_change_state(self, request: ChangeState.Request,
                               response: ChangeState.Response) -> ChangeState.Response:
        """Load before a transition to configure; the others take no time."""
        if not request.transition.label.isprintable():      # rcl would log it as it is
            raise ValueError('the label of a transition has control characters')
        is_configure = request.transition.label == 'configure' or (
            not request.transition.label
            and request.transition.id == Transition.TRANSITION_CONFIGURE)
        if is_configure and self._loading is not None:
            raise RuntimeError('the model is being loaded already; wait for the end of that')
        if is_configure and self._state_machine.current_state[1] == 'unconfigured':
            await self._load_meanwhile()
        return self._transition(request, response)

    async def _load_meanwhile(self) -> None:
        """Load in a thread; `on_configure` takes the result, or raises its error."""
        try:
            parameters = self._parameters_at_start()
        except ValueError:
            return      # on_configure will find the same, and say so
        self._loading = Loading(self, functools.partial(self._load, parameters))
        await self._loading.done

    def _load(self, parameters: Parameters, fetching: Fetching) -> LoadedModel:
        fetching.fetch_if_wanted(parameters)
        return load_model(parameters, self._segmenter_factory)

    # Diagnostics.

    def _publish_diagnostics(self) -> None:
        if self._pipeline is not None:
            self._status.publish(self._pipeline.statuses())
        else:
            self._status.publish(self._status.idle(
                self._state_machine.current_state[1],
                '' if self._loading is None else self._loading.activity))

    def _warn_of_unknown_parameters(self, prefix: str = '') -> None:
        """Log the given parameters that were not declared; those with a prefix, or without one."""
        given = {name for name in self._parameter_overrides
                 if name.startswith(_QOS) == bool(prefix)}
        for text in unknown_parameters(sorted(given), self.get_parameters_by_prefix('')):
            self.get_logger().warning(text)

    # Parameters.

    def _follow_parameters(self) -> None:
        self.add_on_set_parameters_callback(self._check_parameters)
        self._changed = None
        self._follow_up: dict[str, Parameter] = {}
        if hasattr(self, 'add_post_set_parameters_callback'):
            self.add_post_set_parameters_callback(lambda _: self._apply_parameters())
        else:  # Humble
            self._changed = self.create_guard_condition(self._apply_parameters)

    def _parameters_at_start(self) -> Parameters:
        """Read the parameters, and the words of `vocabulary.file` where no list is given."""
        parameters = Parameters.of_node(self)
        if parameters.vocabulary_file and not (parameters.vocabulary_things
                                               or parameters.vocabulary_stuff):
            result, = self.set_parameters([Parameter(FILE, value=parameters.vocabulary_file)])
            if not result.successful:
                raise ValueError(result.reason)
            self._apply_parameters()
        return Parameters.of_node(self)

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set parameters as rclpy does, but refuse a name that does not exist by a result.

        rclpy raises for it, names nothing in the reason, and accepts the empty name.
        """
        for parameter in parameter_list:
            if not self.has_parameter(parameter.name):
                return SetParametersResult(successful=False, reason=printable(
                    refusal(parameter.name, self.get_parameters_by_prefix(''))))
        return super().set_parameters_atomically(parameter_list)

    def _check_parameters(self, changes: Sequence[Parameter]) -> SetParametersResult:
        values = {change.name: change.value for change in changes}
        try:
            lists = {name: self.get_parameter(name).value for name in (THINGS, STUFF)
                     if self.has_parameter(name)}
            follow_up = {**{name: parameter for name, parameter in self._follow_up.items()
                            if name not in values},
                         **{name: Parameter(name, Parameter.Type.STRING_ARRAY, entries)
                            for name, entries in consequences(lists, values).items()}}
            parameters = Parameters.of_node(self, [*changes, *follow_up.values()])
            if self._pipeline is not None:
                self._pipeline.check(parameters)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=printable(str(error)))
        self._follow_up = follow_up
        if self._changed is not None:
            self._changed.trigger()
        return SetParametersResult(successful=True)

    def _apply_parameters(self) -> None:
        if self._follow_up:
            follow_up, self._follow_up = list(self._follow_up.values()), {}
            self.set_parameters_atomically(follow_up)   # comes back here
        elif self._pipeline is not None:
            self._pipeline.apply(Parameters.of_node(self))

    def _on_set_enabled(self, request: SetBool.Request,
                        response: SetBool.Response) -> SetBool.Response:
        result, = self.set_parameters([Parameter('enabled', value=request.data)])
        response.success, response.message = result.successful, result.reason
        return response

    def _on_forget(self, request: Trigger.Request, response: Trigger.Response
                   ) -> Trigger.Response:
        response.success = self._pipeline is not None and self._pipeline.forget()
        response.message = ('all objects are forgotten before the next frame' if response.success
                            else 'there is no memory of objects: configure the '
                            'node with depth:=true, a world_frame and tracking:=auto')
        return response


def run(args: list[str] | None = None,
        segmenter_factory: Callable[[Parameters], Any] = load_segmenter) -> int:
    """Run the node until it is told to end.

    Args:
        args: Command line with ROS arguments; None: the process's.
        segmenter_factory: As for `SegmentNode`.

    Returns:
        The exit code: 1 if a given parameter has the wrong type or is out of range, or if the
        node was to start by itself and could not.
    """
    def make_node() -> SegmentNode:
        node = SegmentNode(segmenter_factory)
        for text in unused_files(sys.argv if args is None else args,
                                 node.get_fully_qualified_name()):
            node.get_logger().warning(text)
        return node
    return run_node(make_node, args)


def main() -> NoReturn:
    """Run the node as this process."""
    refuse_other_arguments('segment_node', 'Open-vocabulary panoptic segmentation of images; the '
                           'words are parameters that change while it runs.')
    share_cores()
    end_process(run())


if __name__ == '__main__':
    main()
