# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The managed node `eov_seg`: lifecycle, parameters and service; the work is in `pipeline`.

unconfigured --configure: load the model, encode the vocabulary, warm up--> inactive
inactive --activate: subscribe and publish--> active --deactivate: keep the model--> inactive
inactive --cleanup: free all memory--> unconfigured
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
import functools
import logging
import time
from typing import Any, NoReturn

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.logging import LoggingSeverity
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from eov_seg_ros.log_bridge import forward_logging
from eov_seg_ros.parameters import declare, Parameters
from eov_seg_ros.pipeline.pipeline import Pipeline
from eov_seg_ros.pipeline.segmenter_factory import free_memory, load_segmenter
from eov_seg_ros.run import end_process, run_node

Transition = Callable[['SegmentNode', LifecycleState], TransitionCallbackReturn]


def _reporting(transition: Transition) -> Transition:
    """Make a failing transition say why; rclpy would swallow the error."""
    @functools.wraps(transition)
    def report(node: SegmentNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception as error:  # noqa: BLE001  whatever it was, a retry must be possible
            node.get_logger().error(
                f'{transition.__name__} failed: {error} [{type(error).__name__}]')
            return TransitionCallbackReturn.FAILURE
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
        super().__init__('eov_seg', **options)
        self._segmenter_factory = segmenter_factory
        self._pipeline: Pipeline | None = None
        self._resources = ExitStack()
        debug = self.get_logger().get_effective_level() == LoggingSeverity.DEBUG
        self._resources.enter_context(forward_logging(
            self.get_logger(), logging.DEBUG if debug else logging.INFO))
        declare(self)
        self._follow_parameters()
        self._refuse_invalid_transitions()
        self.create_service(SetBool, '~/set_enabled', self._on_set_enabled)
        if self.get_parameter('autostart').value:
            # A steady clock, because simulated time may not have begun.
            self._start = self.create_timer(
                0.001, self._autostart, clock=Clock(clock_type=ClockType.STEADY_TIME))

    # Lifecycle.

    @_reporting
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read parameters, load the model, encode the vocabulary and warm up."""
        parameters = Parameters.of_node(self)
        started_s = time.monotonic()
        self.get_logger().info(f'loading variant {parameters.variant}')
        segmenter = self._segmenter_factory(parameters)
        self.get_logger().info(f'encoding {len(parameters.vocabulary)} classes')
        self._pipeline = Pipeline(self, parameters, segmenter)
        try:
            self._pipeline.warm_up()
        except Exception:
            self._close_pipeline()
            raise
        self.get_logger().info(
            f'ready on {segmenter.device} in {segmenter.precision} after '
            f'{time.monotonic() - started_s:.1f} s')
        return super().on_configure(state)

    @_reporting
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish the class map and subscribe to the cameras."""
        result = super().on_activate(state)
        if self._pipeline is not None:
            self._pipeline.activate()
        return result

    @_reporting
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, finish the frame in work, stop publishing; keep the model."""
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

    def _close_pipeline(self) -> None:
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None

    def _autostart(self) -> None:
        self.destroy_timer(self._start)
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _refuse_invalid_transitions(self) -> None:
        """Answer a transition that the state does not allow; rclpy would end the executor."""
        service = self._service_change_state
        change_state = service.callback

        def answer(request: Any, response: Any) -> Any:
            try:
                return change_state(request, response)
            except RuntimeError as error:  # the base of RCLError
                self.get_logger().error(f'no transition: {error}')
                response.success = False
                return response
        service.callback = answer

    # Parameters.

    def _follow_parameters(self) -> None:
        self.add_on_set_parameters_callback(self._check_parameters)
        self._changed = None
        if hasattr(self, 'add_post_set_parameters_callback'):
            self.add_post_set_parameters_callback(lambda _: self._apply_parameters())
        else:  # Humble
            self._changed = self.create_guard_condition(self._apply_parameters)

    def _check_parameters(self, changes: Sequence[Parameter]) -> SetParametersResult:
        try:
            parameters = Parameters.of_node(self, changes)
            if self._pipeline is not None:
                self._pipeline.check(parameters)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if self._changed is not None:
            self._changed.trigger()
        return SetParametersResult(successful=True)

    def _apply_parameters(self) -> None:
        if self._pipeline is not None:
            self._pipeline.apply(Parameters.of_node(self))

    def _on_set_enabled(self, request: SetBool.Request,
                        response: SetBool.Response) -> SetBool.Response:
        result, = self.set_parameters([Parameter('enabled', value=request.data)])
        response.success, response.message = result.successful, result.reason
        return response


def run(args: list[str] | None = None,
        segmenter_factory: Callable[[Parameters], Any] = load_segmenter) -> int:
    """Run the node until it is told to end.

    Args:
        args: Command line with ROS arguments; None: the process's.
        segmenter_factory: As for `SegmentNode`.

    Returns:
        The exit code: 1 if a given parameter has the wrong type or is out of range.
    """
    return run_node(lambda: SegmentNode(segmenter_factory), args)


def main() -> NoReturn:
    """Run the node as this process."""
    end_process(run())


if __name__ == '__main__':
    main()
